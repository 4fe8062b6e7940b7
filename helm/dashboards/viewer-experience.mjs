// What players report of themselves every 10 s. Heatmaps, because a single viewer on a bad link is lost in any average.
import { steps } from './grafana.mjs';

const LATENCY = (quantile, of) =>
  `histogram_quantile(${quantile}, sum by (le) (rate(mqtt_video_player_latency_seconds_bucket{NS, of_report="${of}"}[$__rate_interval])))`;

export default {
  title: 'mqtt-video / Viewer experience',
  description: 'What players report of themselves, without a word of who they are.',
  rows: [
    {
      title: 'How many, and how many are unhappy',
      panels: [
        {
          kind: 'timeseries',
          title: 'Viewers that report',
          description: 'Each player reports every 10 s. Well below the viewers on the dashboard Service: players of others, or reports that the broker refuses.',
          min: 0,
          expressions: [
            ['reporting', '10 * sum(rate(mqtt_video_player_reports_total{NS, outcome="ok"}[$__rate_interval]))'],
            ['unreadable', '10 * sum(rate(mqtt_video_player_reports_total{NS, outcome="bad_request"}[$__rate_interval]))'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Viewers over half a second',
          description:
            'By their own 95th percentile. One or two: bad links, nothing here can be done. Many at once: the broker or the way to it; it pages ' +
            'from three on, if they are 14 % of all.',
          min: 0,
          steps: steps('transparent', ['red', 3]),
          expressions: [
            [
              'viewers',
              '10 * (sum(rate(mqtt_video_player_latency_seconds_count{NS, of_report="p95"}[$__rate_interval])) - ' +
                'sum(rate(mqtt_video_player_latency_seconds_bucket{NS, of_report="p95", le="0.5"}[$__rate_interval])))',
            ],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Worst viewer',
          description:
            'Part of the time for which the picture of the worst viewer stood, as its bucket says. High while "Time that pictures stand" ' +
            'is low: one viewer on a bad link.',
          unit: 'percentunit',
          min: 0,
          max: 1,
          expressions: [
            ['worst', 'histogram_quantile(1, sum by (le) (rate(mqtt_video_player_rebuffer_ratio_bucket{NS}[$__rate_interval])))'],
            ['95 of 100', 'histogram_quantile(0.95, sum by (le) (rate(mqtt_video_player_rebuffer_ratio_bucket{NS}[$__rate_interval])))'],
          ],
        },
      ],
    },
    {
      title: 'Latency, camera to screen',
      height: 9,
      panels: [
        {
          kind: 'timeseries',
          title: 'Latency',
          description:
            'A tenth of a second in a good network; the goal is half a second for 99 of 100. All curves together: the broker or a worker, see ' +
            'the dashboard Broker. Only the upper ones: links of viewers.',
          unit: 's',
          min: 0,
          steps: steps('transparent', ['red', 0.5]),
          expressions: [
            ['half of viewers, usually', LATENCY(0.5, 'p50')],
            ['half of viewers, at their worst', LATENCY(0.5, 'p95')],
            ['95 of 100 viewers, at their worst', LATENCY(0.95, 'p95')],
          ],
        },
        {
          kind: 'heatmap',
          title: 'Latency, each report\'s 95th percentile',
          description: 'Each cell counts reports. One band low down is good. A second band is a group of viewers with something in common; a few cells far up, one on a bad link.',
          unit: 's',
          expressions: [['{{le}}', 'sum by (le) (increase(mqtt_video_player_latency_seconds_bucket{NS, of_report="p95"}[$__rate_interval]))']],
        },
      ],
    },
    {
      title: 'Start',
      panels: [
        {
          kind: 'timeseries',
          title: 'First frame',
          description: 'From pressing play. Half of them under a second. Slow for all: workers start cold streams, see "Start of a stream" on the dashboard Transcoder pool.',
          unit: 's',
          min: 0,
          expressions: [
            ['half', 'histogram_quantile(0.5, sum by (le) (rate(mqtt_video_player_first_frame_seconds_bucket{NS}[$__rate_interval])))'],
            ['95 %', 'histogram_quantile(0.95, sum by (le) (rate(mqtt_video_player_first_frame_seconds_bucket{NS}[$__rate_interval])))'],
          ],
        },
        {
          kind: 'heatmap',
          title: 'First frame, each play',
          description: 'Two bands are usual: warm streams, and cold ones a keyframe interval later. A third, far up, is a camera that opens slowly.',
          unit: 's',
          expressions: [['{{le}}', 'sum by (le) (increase(mqtt_video_player_first_frame_seconds_bucket{NS}[$__rate_interval]))']],
        },
      ],
    },
    {
      title: 'Pictures that stand or jump',
      perLine: 3,
      panels: [
        {
          kind: 'timeseries',
          title: 'Time that pictures stand',
          description: 'Of all the time that is watched. Under 0.5 %. More, with "Watched without a picture" on the dashboard Transcoder pool: cameras; without: links.',
          unit: 'percentunit',
          min: 0,
          steps: steps('transparent', ['red', 0.02]),
          expressions: [
            [
              'standing',
              'sum(rate(mqtt_video_player_rebuffer_seconds_total{NS}[$__rate_interval])) / ' +
                '(sum(rate(mqtt_video_player_watched_seconds_total{NS}[$__rate_interval])) > 0)',
            ],
          ],
        },
        {
          kind: 'heatmap',
          title: 'Rebuffer ratio of each report',
          description: 'Each cell counts reports. Everything in the lowest row is good. A single cell far up, again and again: one viewer on a bad link.',
          unit: 'percentunit',
          expressions: [['{{le}}', 'sum by (le) (increase(mqtt_video_player_rebuffer_ratio_bucket{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Stalls',
          description: 'Times a minute that a picture stood, all viewers together. Peaks of all at once: a worker or the broker; see what changed there.',
          min: 0,
          expressions: [['stalls', '60 * sum(rate(mqtt_video_player_stalls_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Frames dropped before they are shown',
          description: 'Of those that were decoded. Under 1 %. More on one kind of device: it is too slow for the size, offer it a smaller profile.',
          unit: 'percentunit',
          min: 0,
          steps: steps('transparent', ['red', 0.05]),
          expressions: [
            [
              'dropped',
              'sum(rate(mqtt_video_player_frames_total{NS, fate="dropped"}[$__rate_interval])) / ' +
                '(sum(rate(mqtt_video_player_frames_total{NS, fate="decoded"}[$__rate_interval])) > 0)',
            ],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Reconnects',
          description: 'Connections to the broker made again, a minute. A few are people on the move. All at once: the broker restarted, or a proxy cuts long WebSockets.',
          min: 0,
          expressions: [['reconnects', '60 * sum(rate(mqtt_video_player_reconnects_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Decoder errors',
          description: 'None. Else a camera sends what a browser does not decode: offer it in a transcoded profile only.',
          min: 0,
          expressions: [['errors', '60 * sum(rate(mqtt_video_player_decoder_errors_total{NS}[$__rate_interval]))']],
        },
      ],
    },
  ],
};
