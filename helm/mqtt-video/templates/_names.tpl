{{/* Names and labels. Components are gatekeeper, transcoder, broker, test. */}}

{{- define "mqtt-video.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "mqtt-video.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mqtt-video.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* (dict "top" $ "component" "gatekeeper"), as for all below. */}}
{{- define "mqtt-video.component" -}}
{{ include "mqtt-video.fullname" .top }}-{{ .component }}
{{- end -}}

{{- define "mqtt-video.selector" -}}
app.kubernetes.io/name: {{ include "mqtt-video.name" .top }}
app.kubernetes.io/instance: {{ .top.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "mqtt-video.labels" -}}
{{ include "mqtt-video.selector" . }}
app.kubernetes.io/version: {{ .top.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mqtt-video
app.kubernetes.io/managed-by: {{ .top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .top.Chart.Name .top.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "mqtt-video.metadata" -}}
name: {{ include "mqtt-video.component" . }}
namespace: {{ .top.Release.Namespace }}
labels:
  {{- include "mqtt-video.labels" . | nindent 2 }}
{{- end -}}

{{/* An image's reference, of (dict "image" … "version" …). */}}
{{- define "mqtt-video.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .version }}
{{- end -}}
{{- end -}}
