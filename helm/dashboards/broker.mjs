// The broker as services meet it, and as it describes itself below $SYS.
import { steps } from './grafana.mjs';

const DELAY = (metric) =>
  `histogram_quantile(0.95, sum by (pod, instance, le) (rate(mqtt_video_transcoder_${metric}_seconds_bucket{NS}[$__rate_interval])))`;

export default {
  title: 'mqtt-video / Broker',
  description: 'The broker as services meet it, and as it describes itself.',
  rows: [
    {
      title: 'As services meet it',
      perLine: 3,
      panels: [
        {
          kind: 'timeseries',
          title: 'Connected services',
          description: 'All of them. None: the broker is down or refuses logins. One kind: its rights or its network; its log says.',
          min: 0,
          stepped: true,
          expressions: [
            ['gatekeepers', 'sum(mqtt_video_gatekeeper_broker_connected{NS})'],
            ['transcoders', 'sum(mqtt_video_transcoder_broker_connected{NS})'],
            ['services', 'count(mqtt_video_gatekeeper_info{NS}) + count(mqtt_video_transcoder_info{NS})'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Acknowledgement by worker',
          description:
            '95th percentile of the time from a report to the broker\'s answer. A few milliseconds. All workers slow: the broker lacks CPU or ' +
            'network; one: its node. Over a quarter of a second for 5 minutes is a page.',
          unit: 's',
          min: 0,
          steps: steps('transparent', ['red', 0.25]),
          expressions: [['{{pod}} {{instance}}', DELAY('publish_ack')]],
        },
        {
          kind: 'timeseries',
          title: 'Publish delay by worker',
          description:
            '95th percentile of the time from a keyframe out of ffmpeg until its last byte is on the network. Milliseconds. More: the broker ' +
            'reads too slowly, or the way to it is too narrow; media is dropped next.',
          unit: 's',
          min: 0,
          steps: steps('transparent', ['red', 0.25]),
          expressions: [['{{pod}} {{instance}}', DELAY('publish_delay')]],
        },
        {
          kind: 'timeseries',
          title: 'Acknowledgements awaited',
          description: 'A handful. One that only grows: the broker stopped to answer, and is about to be taken for lost.',
          min: 0,
          expressions: [['{{pod}} {{instance}}', 'sum by (pod, instance) (mqtt_video_transcoder_in_flight{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Published by kind',
          description: 'Payload. `live` depends on streams only, `reply` and `catch_up` on viewers: much `reply` means old pages, each with a copy of its own.',
          unit: 'Bps',
          min: 0,
          stacked: true,
          expressions: [['{{kind}}', 'sum by (kind) (rate(mqtt_video_transcoder_published_bytes_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Messages published by kind',
          description: 'What the broker has to take. If it is at its limit of CPU, fewer and larger ones help: --max-message-bytes.',
          unit: 'mps',
          min: 0,
          stacked: true,
          expressions: [['{{kind}}', 'sum by (kind) (rate(mqtt_video_transcoder_published_messages_total{NS}[$__rate_interval]))']],
        },
      ],
    },
    {
      title: 'As it describes itself ($SYS; empty where the broker says nothing, or the leading gatekeeper may not read it)',
      perLine: 4,
      panels: [
        {
          kind: 'timeseries',
          title: 'Messages dropped',
          description: 'A second, because a client\'s queue was full. One viewer who stopped reading makes as many as a stream has. More: the way to viewers is too narrow.',
          unit: 'mps',
          min: 0,
          expressions: [['dropped', 'max(rate(mqtt_video_broker_dropped_messages_total{NS}[$__rate_interval]))']],
        },
        {
          kind: 'timeseries',
          title: 'Received and sent',
          description: 'Sent is received times viewers. Sent near what the network takes: viewers fall behind, however well everything else is.',
          unit: 'Bps',
          min: 0,
          expressions: [
            ['received', 'max(rate(mqtt_video_broker_received_bytes_total{NS}[$__rate_interval]))'],
            ['sent', 'max(rate(mqtt_video_broker_sent_bytes_total{NS}[$__rate_interval]))'],
          ],
        },
        {
          kind: 'timeseries',
          title: 'Clients',
          description: 'Services, viewers, and whatever else uses the broker. A saw tooth: a proxy that cuts long WebSockets.',
          min: 0,
          expressions: [['clients', 'max(mqtt_video_broker_clients{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Subscriptions',
          description: 'A few for each client. Without end upwards: somebody subscribes and does not leave.',
          min: 0,
          expressions: [['subscriptions', 'max(mqtt_video_broker_subscriptions{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Stored messages',
          description: 'Retained ones, and those that wait for clients. High while dropped messages rise: queues of slow viewers.',
          min: 0,
          expressions: [['messages', 'max(mqtt_video_broker_stored_messages{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Stored payload',
          description: 'Of those messages. It is what the broker\'s memory goes to.',
          unit: 'bytes',
          min: 0,
          expressions: [['payload', 'max(mqtt_video_broker_stored_bytes{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Memory',
          description: 'Where the broker tells. Near its limit it is killed, and every viewer with it: fewer maxQueuedMessages, or more memory.',
          unit: 'bytes',
          min: 0,
          expressions: [['heap', 'max(mqtt_video_broker_heap_bytes{NS})']],
        },
        {
          kind: 'timeseries',
          title: 'Up for',
          description: 'A drop to zero is a restart: everybody connects anew at that moment.',
          unit: 's',
          min: 0,
          expressions: [['uptime', 'max(mqtt_video_broker_uptime_seconds{NS})']],
        },
      ],
    },
  ],
};
