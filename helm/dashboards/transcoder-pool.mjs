// Whether there are enough workers, what streams cost, and what goes wrong between camera and broker.
import { steps } from './grafana.mjs';

export default {
  title: 'mqtt-video / Transcoder pool',
  description: 'Workers, their streams, and what goes wrong between camera and broker.',
  rows: [
    {
      title: 'Room',
      panels: [
        {
          kind: 'timeseries',
          title: 'Slots used',
          description:
            'Share of the slots of workers that do not drain. Autoscalers keep it at 70 %; at 100 % viewers of cameras that do not run yet ' +
            'read no_capacity. More workers, or a higher maxStreams if CPU is left.',
          unit: 'percentunit',
          min: 0,
          max: 1,
          steps: steps('transparent', ['orange', 0.85], ['red', 1]),
          expressions: [['{{namespace}}', 'namespace:mqtt_video_slots_used:ratio{NS}']],
        },
        {
          kind: 'timeseries',
          title: 'Free slots by worker',
          description: 'About the same at all workers, give or take a few. 0 while a worker drains, or lacks the broker.',
          min: 0,
          stepped: true,
          expressions: [['{{pod}} {{instance}}', 'sum by (pod, instance) (mqtt_video_transcoder_slots_free{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Workers',
          description:
            'As gatekeepers see them. `draining` during rollouts and scale-in, for a minute; `lost` never for long: see why its process or node ' +
            'went. `scraped` below `ready`: Prometheus does not see a worker.',
          min: 0,
          stepped: true,
          expressions: [
            ['{{state}}', 'max by (state) (mqtt_video_gatekeeper_workers{NS})'],
            ['scraped', 'count(mqtt_video_transcoder_info{NS})'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Scale events',
          description:
            'Workers that came (above 0) or went (below) within a minute. Up and down again and again: the autoscaler\'s ' +
            '`behavior.scaleDown` waits too short.',
          bars: true,
          expressions: [
            [
              'workers',
              'max(mqtt_video_gatekeeper_workers{NS, state="ready"}) - max(mqtt_video_gatekeeper_workers{NS, state="ready"} offset 1m)',
            ],
          ],
        },
      ],
    },
    {
      title: 'Cost',
      panels: [
        {
          kind: 'timeseries',
          title: 'CPU per stream',
          description:
            'Cores of ffmpeg. A few hundredths for a stream that is copied, up to one for one that is transcoded. It rises when more viewers ask ' +
            'for a smaller profile; maxStreams times this has to fit a node.',
          unit: 'none',
          decimals: 3,
          min: 0,
          expressions: [['{{namespace}}', 'namespace:mqtt_video_cpu_per_stream:rate5m{NS}']],
        },
        {
          kind: 'timeseries',
          title: 'CPU by worker',
          description: 'Cores of the worker and its ffmpegs. Near what the node has: encoders fall behind and pictures stutter.',
          min: 0,
          expressions: [
            [
              'ffmpeg {{pod}} {{instance}}',
              'sum by (pod, instance) (rate(mqtt_video_transcoder_ffmpeg_cpu_seconds_total{NS}[$__rate_interval]))',
            ],
            [
              'worker {{pod}} {{instance}}',
              'sum by (pod, instance) (rate(process_cpu_seconds_total{NS}[$__rate_interval]) and on (pod, instance) mqtt_video_transcoder_info)',
            ],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Memory of ffmpegs',
          description: 'Bounded by the number of streams. Near the memory limit of the pod, ffmpegs are killed: "Restarts" then says `crashed`.',
          unit: 'bytes',
          min: 0,
          expressions: [['{{pod}} {{instance}}', 'sum by (pod, instance) (mqtt_video_transcoder_ffmpeg_resident_bytes{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Viewers by delivery',
          description: 'Viewers of `live` share one publication; each of `reply` costs one of its own.',
          min: 0,
          stacked: true,
          stepped: true,
          expressions: [['{{delivery}}', 'sum by (delivery) (mqtt_video_transcoder_viewers{NS})']],
        },
      ],
    },
    {
      title: 'Streams',
      perLine: 4,
      panels: [
        {
          kind: 'timeseries',
          title: 'Streams by state',
          description:
            '`live` and `lingering` are well. `starting` for a few seconds. `restarting`: watched, and without a picture; the table Cameras on ' +
            'the dashboard Service says which.',
          min: 0,
          stacked: true,
          stepped: true,
          expressions: [['{{state}}', 'sum by (state) (mqtt_video_transcoder_jobs{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Restarts by reason',
          description:
            'Of ffmpeg, per minute. `failed`, `exited`, `stalled`: the camera or its network. `crashed`, `broken`, `not_started`: ours, look ' +
            'for a memory limit first. `learnt`: once for a camera that needs another treatment.',
          min: 0,
          stacked: true,
          expressions: [['{{reason}}', '60 * sum by (reason) (rate(mqtt_video_transcoder_ffmpeg_restarts_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Watched without a picture',
          description: 'Streams, on average. 1 is one camera that is down all the time. It is what viewers lose by cameras and ffmpegs.',
          min: 0,
          expressions: [['{{pod}} {{instance}}', 'sum by (pod, instance) (rate(mqtt_video_transcoder_stall_seconds_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Start of a stream',
          description:
            'From the request to the first keyframe out. About the camera\'s keyframe interval plus a second. Longer: a camera that answers late, ' +
            'or one whose keyframes are rare.',
          unit: 's',
          min: 0,
          expressions: [
            ['half', 'histogram_quantile(0.5, sum by (le) (rate(mqtt_video_transcoder_startup_seconds_bucket{NS}[$__rate_interval])))'],
            ['95 %', 'histogram_quantile(0.95, sum by (le) (rate(mqtt_video_transcoder_startup_seconds_bucket{NS}[$__rate_interval])))'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Frame rate by source',
          description: 'Even, and what the camera is set to. One that wavers loses packets on its way to the worker.',
          unit: 'fps',
          min: 0,
          expressions: [['{{source}} {{profile}}', 'max by (source, profile) (mqtt_video_transcoder_stream_frame_rate{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Keyframe interval by source',
          description: 'A second or two. Longer ones make cold starts, and recovery after a loss, as long: set it at the camera.',
          unit: 's',
          min: 0,
          expressions: [['{{source}} {{profile}}', 'max by (source, profile) (mqtt_video_transcoder_stream_keyframe_interval_seconds{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Streams that ended',
          description: 'Per minute. `unwatched` is the usual end, `lost` a camera that nobody waited for, `moved` and `drained` a rollout.',
          min: 0,
          stacked: true,
          expressions: [['{{reason}}', '60 * sum by (reason) (rate(mqtt_video_transcoder_jobs_ended_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Media dropped by reason',
          description:
            'None. `disconnected` and `behind_gap` follow from a connection that was lost; `queue_full`: the broker or the network takes less ' +
            'than is made; `refused`: the broker does not allow it.',
          min: 0,
          stacked: true,
          expressions: [
            ['{{reason}}', 'sum by (reason) (rate(mqtt_video_transcoder_dropped_fragments_total{NS}[$__rate_interval]))'],
            ['groups of pictures', 'sum(rate(mqtt_video_transcoder_dropped_gops_total{NS}[$__rate_interval]))'],
          ],
        },
      ],
    },
    {
      title: 'Placement',
      panels: [
        {
          kind: 'timeseries',
          title: 'Moves',
          description:
            'Streams taken over from lost workers or moved off draining ones, per minute. `failed` again and again: those that are left are ' +
            'full, or cannot reach the camera.',
          min: 0,
          stacked: true,
          expressions: [['{{cause}} {{outcome}}', '60 * sum by (cause, outcome) (rate(mqtt_video_gatekeeper_moves_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Time to move a stream',
          description: '95th percentile, to the first keyframe elsewhere. `draining` is not noticed by viewers; for `lost` it is how long they wait.',
          unit: 's',
          min: 0,
          expressions: [
            ['{{cause}}', 'histogram_quantile(0.95, sum by (cause, le) (rate(mqtt_video_gatekeeper_move_duration_seconds_bucket{NS}[$__rate_interval])))'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Attempts to place a stream',
          description: '`placed`. `full` and `nobody`: too few workers. `unavailable`, `failed`: a worker that cannot be called; the log names it.',
          min: 0,
          stacked: true,
          expressions: [['{{outcome}}', '60 * sum by (outcome) (rate(mqtt_video_gatekeeper_placements_total{NS}[$__rate_interval]))']],
        },
      ],
    },
  ],
};
