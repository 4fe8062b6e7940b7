{{/* Parts of NetworkPolicies. Each is a list's item or items, to be indented. */}}

{{/* A peer: pods of a component of this release. */}}
{{- define "mqtt-video.peer" -}}
- podSelector:
    matchLabels:
      {{- include "mqtt-video.selector" . | nindent 6 }}
{{- end -}}

{{/* Egress to where names are resolved, which differs between clusters. */}}
{{- define "mqtt-video.toDns" -}}
- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end -}}

{{- define "mqtt-video.toBroker" -}}
- ports: [{protocol: TCP, port: {{ include "mqtt-video.brokerPort" .top }}}]
  {{- if include "mqtt-video.bundled" .top }}
  to:
    {{- include "mqtt-video.peer" (dict "top" .top "component" "broker") | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* TCP ports, of a list of numbers. */}}
{{- define "mqtt-video.ports" -}}
{{- range $index, $port := . }}{{ if $index }}, {{ end }}{protocol: TCP, port: {{ int $port }}}{{ end -}}
{{- end -}}
