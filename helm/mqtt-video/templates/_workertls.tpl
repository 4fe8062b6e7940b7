{{/*
TLS between gatekeepers and transcoders. Either side has the Secret with its own certificate at /etc/mqtt-video/worker-tls; the
authority in it signed both.
*/}}

{{/* The component's own Secret, or nothing: (dict "top" $ "component" "gatekeeper"). */}}
{{- define "mqtt-video.workerTls" -}}
{{- with .top.Values.workerTls -}}
{{- if .serverSecretName -}}
{{- ternary .serverSecretName .clientSecretName (eq $.component "transcoder") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mqtt-video.workerTlsEnv" -}}
{{- $own := ternary "TLS" "WORKER" (eq .component "transcoder") -}}
{{- $others := ternary "TLS_CLIENT" "WORKER" (eq .component "transcoder") -}}
{{- if include "mqtt-video.workerTls" . -}}
- {name: MQTT_VIDEO_{{ $own }}_CERT, value: /etc/mqtt-video/worker-tls/tls.crt}
- {name: MQTT_VIDEO_{{ $own }}_KEY, value: /etc/mqtt-video/worker-tls/tls.key}
- {name: MQTT_VIDEO_{{ $others }}_CA, value: /etc/mqtt-video/worker-tls/ca.crt}
{{- end -}}
{{- end -}}

{{- define "mqtt-video.workerTlsMount" -}}
{{- if include "mqtt-video.workerTls" . -}}
- {name: worker-tls, mountPath: /etc/mqtt-video/worker-tls, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "mqtt-video.workerTlsVolume" -}}
{{- with include "mqtt-video.workerTls" . -}}
- name: worker-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end -}}
{{- end -}}
