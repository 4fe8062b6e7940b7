// What a newcomer looks at first: does it work, if not what is it, and where does one go from here.
import { steps } from './grafana.mjs';

const PLAYS = 'mqtt_video_gatekeeper_requests_total{NS, verb=~"describe|play"';
const FAILED = `${PLAYS}, outcome=~"internal|no_capacity|draining"}`;
const COUNTED = `${PLAYS}, outcome=~"ok|internal|no_capacity|draining"}`;

export default {
  title: 'mqtt-video / Service',
  description: 'Whether viewers get what they ask for, and if not, why.',
  rows: [
    {
      title: 'What viewers get, over the time range above',
      height: 5,
      panels: [
        {
          kind: 'stat',
          title: 'Plays that succeed',
          description:
            'Goal 99.5 %. Requests to describe or play that were answered with what was asked for, of those that were our business: refusals ' +
            'that the viewer or the camera has to answer for do not count. Below the goal: "Requests by outcome" says what they got instead.',
          unit: 'percentunit',
          decimals: 2,
          max: 1,
          none: 'nobody asked',
          steps: steps('red', ['orange', 0.99], ['green', 0.995]),
          expressions: [`1 - sum(increase(${FAILED}[$__range])) / (sum(increase(${COUNTED}[$__range])) > 0)`],
        },
        {
          kind: 'stat',
          title: 'Viewers under half a second',
          description:
            'Goal 99 %. Reports of players whose own 95th percentile of latency, camera to screen, is at most 0.5 s. Below the goal: the ' +
            'dashboard Viewer experience says how late and how many.',
          unit: 'percentunit',
          decimals: 2,
          max: 1,
          none: 'nobody watched',
          steps: steps('red', ['orange', 0.97], ['green', 0.99]),
          expressions: [
            'sum(increase(mqtt_video_player_latency_seconds_bucket{NS, of_report="p95", le="0.5"}[$__range])) / ' +
              '(sum(increase(mqtt_video_player_latency_seconds_count{NS, of_report="p95"}[$__range])) > 0)',
          ],
        },
        {
          kind: 'stat',
          title: 'First frame',
          description:
            '95 of 100 plays show a picture within this time. Under a second where the stream runs already, a few seconds where the camera has ' +
            'to be opened first. Much more: "Start of a stream" on the dashboard Transcoder pool says whether it is the camera.',
          unit: 's',
          decimals: 1,
          none: 'nobody began to watch',
          steps: steps('green', ['orange', 3], ['red', 8]),
          expressions: [
            'histogram_quantile(0.95, sum by (le) (increase(mqtt_video_player_first_frame_seconds_bucket{NS}[$__range])))',
          ],
        },
        {
          kind: 'stat',
          title: 'Time that pictures stand',
          description:
            'Of all the time that was watched. Under 0.5 % nobody complains. More: the dashboard Viewer experience says whether it is many ' +
            'viewers or one on a bad link, the dashboard Transcoder pool whether cameras stand.',
          unit: 'percentunit',
          decimals: 2,
          none: 'nobody watched',
          steps: steps('green', ['orange', 0.005], ['red', 0.02]),
          expressions: [
            'sum(increase(mqtt_video_player_rebuffer_seconds_total{NS}[$__range])) / ' +
              '(sum(increase(mqtt_video_player_watched_seconds_total{NS}[$__range])) > 0)',
          ],
        },
        {
          kind: 'stat',
          title: 'Error budget left',
          description:
            'Of the last 3 days, whatever the time range: 100 % is a budget that nobody touched, below 0 the goal is missed. While it ' +
            'shrinks, change little; once it is gone, look for causes before anything else.',
          unit: 'percentunit',
          decimals: 0,
          named: true,
          none: 'nobody asked',
          steps: steps('red', ['orange', 0], ['green', 0.5]),
          expressions: [
            ['plays', '1 - max(namespace:mqtt_video_plays_failed:ratio_rate3d{NS}) / 0.005'],
            ['latency', '1 - max(namespace:mqtt_video_latency_missed:ratio_rate3d{NS}) / 0.01'],
          ],
        },
        {
          kind: 'stat',
          title: 'Right now',
          description:
            'Viewers, the streams that they share, and transcoders that take more. Workers at 0: nobody can start to watch, see the dashboard ' +
            'Transcoder pool.',
          named: true,
          none: '-',
          steps: steps('blue'),
          expressions: [
            ['viewers', 'sum(mqtt_video_transcoder_viewers{NS})'],
            ['streams', 'sum(mqtt_video_transcoder_jobs{NS})'],
            ['workers', 'max(mqtt_video_gatekeeper_workers{NS, state="ready"})'],
          ],
        },
      ],
    },
    {
      title: 'What is wrong',
      height: 9,
      panels: [
        {
          kind: 'table',
          title: 'Firing alerts',
          description:
            'Empty is good. Each alert names one cause and has a page in docs/runbooks that begins with where to look. A page is for now, a ' +
            'ticket for the working day.',
          none: 'none',
          without: { __name__: true, Value: true, alertstate: true },
          columns: { alertname: 'alert', severity: 'severity' },
          expressions: ['ALERTS{NS, alertname=~"MqttVideo.*", alertstate="firing"}'],
        },
        {
          kind: 'table',
          title: 'Cameras',
          description:
            'Streams that run, those without a picture first. "down" for more than 2 minutes: the camera, its network or its login; the ' +
            'transcoder tries again by itself. Empty where transcoders run with --metrics-sources=false.',
          none: 'no stream runs, or metrics carry no names',
          mappings: [
            { type: 'value', options: { 0: { text: 'down', color: 'red', index: 0 }, 1: { text: 'up', color: 'green', index: 1 } } },
          ],
          columns: { Value: 'picture' },
          sortBy: { displayName: 'picture', desc: false },
          expressions: ['sort(max by (namespace, source, profile) (mqtt_video_transcoder_stream_up{NS}))'],
        },
        {
          kind: 'timeseries',
          title: 'Speed at which the budget burns',
          description:
            'Below 1 the goal is met. 14.4 over 5 minutes and an hour, or 6 over 30 minutes and 6 hours, is a page; 1 over days a ticket. ' +
            'The panels below say what it is.',
          min: 0,
          steps: steps('transparent', ['orange', 1], ['red', 14.4]),
          expressions: [
            ['plays, 5 min', 'max(namespace:mqtt_video_plays_failed:ratio_rate5m{NS}) / 0.005'],
            ['plays, 1 h', 'max(namespace:mqtt_video_plays_failed:ratio_rate1h{NS}) / 0.005'],
            ['latency, 5 min', 'max(namespace:mqtt_video_latency_missed:ratio_rate5m{NS}) / 0.01'],
            ['latency, 1 h', 'max(namespace:mqtt_video_latency_missed:ratio_rate1h{NS}) / 0.01'],
          ],
        },
      ],
    },
    {
      title: 'Requests',
      panels: [
        {
          kind: 'timeseries',
          title: 'Requests by outcome',
          description:
            'Mostly `ok`. `internal`: a defect, or a worker that cannot be called; the gatekeeper\'s log says which. `no_capacity`: no slot, ' +
            'or no seat of a source with maxViewers. `source_…`: the camera. `not_allowed`, `unauthorized`, `bad_request`: somebody tries.',
          unit: 'reqps',
          min: 0,
          stacked: true,
          expressions: [['{{outcome}}', 'sum by (outcome) (rate(mqtt_video_gatekeeper_requests_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Time to answer',
          description:
            '95th percentile. A play of a running stream is answered within 0.2 s; a describe of a cold one waits for the camera\'s keyframe. ' +
            'A play that is slow: workers do not answer, see the dashboard Transcoder pool.',
          unit: 's',
          min: 0,
          expressions: [
            [
              '{{verb}}',
              'histogram_quantile(0.95, sum by (verb, le) (rate(mqtt_video_gatekeeper_request_duration_seconds_bucket{NS}[$__rate_interval])))',
            ],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Requests turned away by the rules',
          description:
            'By the allowlist, the confinement of reply topics, or for want of a token. A few are typing errors; a steady rate is a ' +
            'page with an old list, or somebody who tries.',
          unit: 'reqps',
          min: 0,
          expressions: [['{{rule}}', 'sum by (rule) (rate(mqtt_video_gatekeeper_denials_total{NS}[$__rate_interval]))']],
        },
      ],
    },
    {
      title: 'Gatekeepers',
      panels: [
        {
          kind: 'timeseries',
          title: 'Connected to the broker',
          description: 'All of them, always. Nobody: the broker. One: its network. See the dashboard Broker.',
          min: 0,
          stepped: true,
          expressions: [
            ['gatekeepers', 'sum(mqtt_video_gatekeeper_broker_connected{NS})'],
            ['of', 'count(mqtt_video_gatekeeper_info{NS})'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Leaders',
          description: 'One in each namespace. None: streams of a lost worker are not taken over. Two: they lack a common --lease.',
          min: 0,
          stepped: true,
          steps: steps('transparent', ['red', 1.5]),
          expressions: [['{{namespace}}', 'sum by (namespace) (mqtt_video_gatekeeper_leader{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Sources',
          description:
            'Entries of the allowlist in effect, the same at all gatekeepers. `stale` above 0: the file is bad and an older list in ' +
            'effect; the log names the line. `reloads that failed` says since when.',
          min: 0,
          stepped: true,
          expressions: [
            ['sources', 'max(mqtt_video_gatekeeper_sources{NS})'],
            ['stale', 'max(mqtt_video_gatekeeper_sources_stale{NS})'],
            ['reloads that failed', 'sum(increase(mqtt_video_gatekeeper_sources_reloads_total{NS, outcome="error"}[$__rate_interval]))'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Answers that the broker did not take',
          description: 'None. Else viewers wait for an answer in vain: the broker refuses the gatekeeper a topic, or the connection is torn.',
          min: 0,
          expressions: [['answers per second', 'sum(rate(mqtt_video_gatekeeper_unpublished_total{NS}[$__rate_interval]))']],
        },
      ],
    },
  ],
};
