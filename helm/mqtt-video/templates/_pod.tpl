{{/* What all pods have in common: the restricted Pod Security Standard, and what the values of a component say. */}}

{{- define "mqtt-video.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "mqtt-video.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where the pods of a component run: (dict "top" $ "component" … "values" .Values.…). */}}
{{- define "mqtt-video.placement" -}}
{{- with .top.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Each on a node of its own, as far as there are nodes; each revision by itself, so that a roll does not pile up. */}}
{{- define "mqtt-video.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mqtt-video.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end -}}

{{/* No label that changes with the chart's version: a new version restarts only what it changes. */}}
{{- define "mqtt-video.podMetadata" -}}
labels:
  {{- include "mqtt-video.selector" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations | default dict | merge (deepCopy .values.podAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "mqtt-video.viewerTokensVolume" -}}
{{- with .Values.gatekeeper.viewerTokens -}}
{{- if .secretName -}}
- name: viewer-tokens
  secret: {secretName: {{ .secretName }}, defaultMode: 0440, items: [{key: {{ .key }}, path: tokens}]}
{{- end -}}
{{- end -}}
{{- end -}}
