#!/usr/bin/env node
// Writes the dashboards of the chart, mqtt-video/dashboards/*.json, from dashboards/*.mjs: dashboards.mjs [--check]
//
// What is written by hand is short enough to be read; what Grafana wants is not. With --check it writes nothing and fails if a
// file is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs';
import { grafana } from './dashboards/grafana.mjs';
import broker from './dashboards/broker.mjs';
import service from './dashboards/service.mjs';
import transcoderPool from './dashboards/transcoder-pool.mjs';
import viewerExperience from './dashboards/viewer-experience.mjs';

const all = { service, 'transcoder-pool': transcoderPool, 'viewer-experience': viewerExperience, broker };
for (const [name, dashboard] of Object.entries(all)) {
  const file = new URL(`mqtt-video/dashboards/${name}.json`, import.meta.url);
  const made = `${JSON.stringify(grafana({ uid: `mqtt-video-${name}`, ...dashboard }), null, 2)}\n`;
  if (process.argv[2] !== '--check') {
    writeFileSync(file, made);
  } else if (made !== readFileSync(file, 'utf8')) {
    console.error(`helm/mqtt-video/dashboards/${name}.json is not what helm/dashboards/${name}.mjs says: run helm/dashboards.mjs`);
    process.exitCode = 1;
  }
}
