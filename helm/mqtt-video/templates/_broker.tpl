{{/* Where the broker is and how a role logs in, bundled or external. */}}

{{- define "mqtt-video.bundled" -}}
{{- if not .Values.broker.external.host -}}yes{{- end -}}
{{- end -}}

{{/* Services speak TLS to it. */}}
{{- define "mqtt-video.brokerTls" -}}
{{- $broker := .Values.broker -}}
{{- if include "mqtt-video.bundled" . -}}
{{- if and $broker.tls.secretName $broker.tls.mqtt -}}yes{{- end -}}
{{- else if $broker.external.tls -}}yes{{- end -}}
{{- end -}}

{{- define "mqtt-video.brokerHost" -}}
{{- if include "mqtt-video.bundled" . -}}
{{- include "mqtt-video.component" (dict "top" . "component" "broker") -}}
{{- else -}}
{{- .Values.broker.external.host -}}
{{- end -}}
{{- end -}}

{{- define "mqtt-video.brokerPort" -}}
{{- $default := ternary 8883 1883 (eq (include "mqtt-video.brokerTls" .) "yes") -}}
{{- if include "mqtt-video.bundled" . -}}{{ $default }}{{- else -}}{{ .Values.broker.external.port | default $default | int }}{{- end -}}
{{- end -}}

{{/* Secret with the authority of its certificate. */}}
{{- define "mqtt-video.brokerCa" -}}
{{- if include "mqtt-video.brokerTls" . -}}
{{- ternary .Values.broker.tls.secretName .Values.broker.external.caSecretName (eq (include "mqtt-video.bundled" .) "yes") -}}
{{- end -}}
{{- end -}}

{{/* Secret with the passwords of the roles; empty: nobody logs in. */}}
{{- define "mqtt-video.passwords" -}}
{{- if .Values.broker.credentials.existingSecret -}}
{{- .Values.broker.credentials.existingSecret -}}
{{- else if include "mqtt-video.bundled" . -}}
{{- include "mqtt-video.component" (dict "top" . "component" "broker") -}}
{{- end -}}
{{- end -}}

{{- define "mqtt-video.username" -}}
{{- if include "mqtt-video.bundled" .top -}}
{{- .role -}}
{{- else -}}
{{- get .top.Values.broker.credentials.usernames .role -}}
{{- end -}}
{{- end -}}

{{/* Environment, mounts and volumes of a service that connects in a role: (dict "top" $ "role" "gatekeeper"). */}}
{{- define "mqtt-video.brokerEnv" -}}
- name: MQTT_VIDEO_BROKER
  value: {{ ternary "mqtts" "mqtt" (eq (include "mqtt-video.brokerTls" .top) "yes") }}://{{ include "mqtt-video.brokerHost" .top }}:{{ include "mqtt-video.brokerPort" .top }}
{{- if include "mqtt-video.passwords" .top }}
- {name: MQTT_VIDEO_BROKER_USERNAME, value: {{ include "mqtt-video.username" . | quote }}}
- {name: MQTT_VIDEO_BROKER_PASSWORD_FILE, value: /etc/mqtt-video/broker/password}
{{- end }}
{{- if include "mqtt-video.brokerCa" .top }}
- {name: MQTT_VIDEO_BROKER_CA, value: /etc/mqtt-video/broker/ca.crt}
{{- end }}
{{- end -}}

{{- define "mqtt-video.brokerMounts" -}}
{{- if or (include "mqtt-video.passwords" .top) (include "mqtt-video.brokerCa" .top) -}}
- {name: broker, mountPath: /etc/mqtt-video/broker, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "mqtt-video.brokerVolumes" -}}
{{- $passwords := include "mqtt-video.passwords" .top -}}
{{- $ca := include "mqtt-video.brokerCa" .top -}}
{{- if or $passwords $ca -}}
- name: broker
  projected:
    defaultMode: 0440
    sources:
      {{- with $passwords }}
      - secret: {name: {{ . }}, items: [{key: {{ $.role }}, path: password}]}
      {{- end }}
      {{- with $ca }}
      - secret: {name: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* What browsers dial. */}}
{{- define "mqtt-video.websocket" -}}
{{- if .Values.page.brokerWebsocket -}}
{{- .Values.page.brokerWebsocket -}}
{{- else if .Values.ingress.enabled -}}
{{- ternary "wss" "ws" .Values.ingress.tls.enabled -}}://{{ .Values.ingress.host }}/mqtt
{{- else if .Values.httpRoute.enabled -}}
{{- ternary "wss" "ws" .Values.httpRoute.tls -}}://{{ .Values.httpRoute.host }}/mqtt
{{- end -}}
{{- end -}}
