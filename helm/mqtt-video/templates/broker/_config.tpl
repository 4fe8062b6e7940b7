{{/* What mosquitto reads. Password and ACL files are copied by the init container: mosquitto 2.1 follows no symbolic links. */}}

{{- define "mqtt-video.mosquittoConf" -}}
{{- $tls := .Values.broker.tls -}}
allow_anonymous {{ .Values.broker.viewers.anonymous }}
password_file /run/mosquitto/users
acl_file /run/mosquitto/acl
persistence false
set_tcp_nodelay true
max_queued_messages {{ .Values.broker.maxQueuedMessages }}
max_packet_size {{ .Values.broker.maxPacketBytes | int64 }}
log_dest stdout
log_type error
log_type warning
log_type notice
{{- with .Values.broker.extraConfig }}
{{ . | trim }}
{{- end }}
{{- $certificate := "certfile /run/secrets/tls/tls.crt\nkeyfile /run/secrets/tls/tls.key" }}

listener {{ include "mqtt-video.brokerPort" . }}
{{- if include "mqtt-video.brokerTls" . }}
{{ $certificate }}
{{- end }}

listener 9001
protocol websockets
{{- if and $tls.secretName $tls.websocket }}
{{ $certificate }}
{{- end }}
{{- end -}}

{{/*
Who may do what. Reply topics are video/reply/…, video_<digits> and client/describe/response…; a pattern of an ACL cannot end
within a level, so `+` stands for the second.
*/}}
{{- define "mqtt-video.viewerAcl" -}}
{{- $prefix := .Values.topicPrefix -}}
{{- range list "describe" "play" "stop" "keepalive" "qoe" }}
topic write {{ $prefix }}/{{ . }}
{{- end }}
{{- range list "describe" "play" "stop" "register" "unregister" }}
topic write client/{{ . }}
{{- end }}
topic read {{ $prefix }}/sources
topic read {{ $prefix }}/live/#
topic read {{ $prefix }}/reply/#
topic read +
topic read +/status
topic read client/describe/#
{{- end -}}

{{- define "mqtt-video.acl" -}}
{{- $prefix := .Values.topicPrefix -}}
{{- if .Values.broker.viewers.anonymous -}}
# Who does not log in is a viewer.
{{- include "mqtt-video.viewerAcl" . }}

{{ end -}}
user viewer
{{- include "mqtt-video.viewerAcl" . }}

user gatekeeper
topic read {{ $prefix }}/+
topic read client/+
# What the broker says about itself, for its metrics.
topic read $SYS/broker/#
topic write {{ $prefix }}/sources
topic write {{ $prefix }}/reply/#
topic write +
topic write +/status
topic write client/describe/#

user transcoder
topic write {{ $prefix }}/live/#
topic read {{ $prefix }}/live/+/+/state
topic write {{ $prefix }}/reply/#
topic write +
topic write +/status
topic write client/describe/#

user metrics
topic read $SYS/#
{{- with .Values.broker.extraAcl }}

{{ . | trim }}
{{- end }}
{{- end -}}

{{/* Passwords are hashed where they are used; a role is a file of its name. */}}
{{- define "mqtt-video.brokerInit" -}}
set -eu
umask 077
cp /etc/mosquitto/acl /run/mosquitto/acl
: >/run/mosquitto/users
for role in /run/secrets/passwords/*; do
  printf '%s:%s\n' "${role##*/}" "$(cat "$role")" >>/run/mosquitto/users
done
mosquitto_passwd -U /run/mosquitto/users
{{- end -}}
