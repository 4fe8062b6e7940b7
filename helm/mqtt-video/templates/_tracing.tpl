{{/* Variables of a service that exports traces; nothing if there is nowhere to. */}}
{{- define "mqtt-video.tracingEnv" -}}
{{- if .Values.tracing.endpoint -}}
- {name: MQTT_VIDEO_OTLP_ENDPOINT, value: {{ .Values.tracing.endpoint | quote }}}
- {name: MQTT_VIDEO_TRACE_SAMPLE_RATIO, value: {{ .Values.tracing.sampleRatio | quote }}}
{{- end -}}
{{- end -}}

{{/* Egress to the receiver of traces, wherever it is; nothing if there is none. */}}
{{- define "mqtt-video.toTracing" -}}
{{- with .Values.tracing.endpoint -}}
- ports: [{protocol: TCP, port: {{ (urlParse .).host | splitList ":" | last | int }}}]
{{- end -}}
{{- end -}}
