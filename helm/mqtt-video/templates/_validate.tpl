{{/* Values that are fine by themselves and not together; each message says what to do. */}}
{{- define "mqtt-video.validate" -}}
{{- $external := .Values.broker.external.host -}}
{{- $routed := or .Values.ingress.enabled .Values.httpRoute.enabled -}}
{{- if eq .Values.topicPrefix "client" -}}
{{- fail "topicPrefix must not be client, which is the prefix of the other dialect" -}}
{{- end -}}
{{- if and $external (not .Values.page.brokerWebsocket) -}}
{{- fail "browsers have to know how to reach the external broker: set page.brokerWebsocket to its ws:// or wss:// URL" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.enabled needs ingress.host, the name that viewers type" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (or (not .Values.httpRoute.host) (not .Values.httpRoute.parentRefs)) -}}
{{- fail "httpRoute.enabled needs httpRoute.host, the name that viewers type, and httpRoute.parentRefs, the Gateway" -}}
{{- end -}}
{{- if and .Values.broker.tls.websocket (not .Values.broker.tls.secretName) -}}
{{- fail "broker.tls.websocket needs broker.tls.secretName, a Secret with a certificate" -}}
{{- end -}}
{{- if and $routed .Values.broker.tls.secretName .Values.broker.tls.websocket -}}
{{- fail "ingress and httpRoute end TLS and speak plainly to the broker: set broker.tls.websocket to false" -}}
{{- end -}}
{{- if and $external .Values.broker.tls.secretName -}}
{{- fail "broker.tls is the bundled broker's; for an external one set broker.external.tls and broker.external.caSecretName" -}}
{{- end -}}
{{- if and .Values.broker.external.caSecretName (not .Values.broker.external.tls) -}}
{{- fail "broker.external.caSecretName is of no use without broker.external.tls" -}}
{{- end -}}
{{- with .Values.workerTls -}}
{{- if ne (empty .serverSecretName) (empty .clientSecretName) -}}
{{- fail "workerTls needs both serverSecretName and clientSecretName: either side proves who it is" -}}
{{- end -}}
{{- end -}}
{{- with .Values.transcoder.autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "transcoder.autoscaling.minReplicas must not be more than maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.videoSources (not .Values.customResources.enabled) -}}
{{- fail "videoSources are custom resources: set customResources.enabled to true, or list them in sources" -}}
{{- end -}}
{{- $names := dict -}}
{{- range .Values.sources -}}
{{- if hasKey $names .name -}}
{{- fail (printf "sources: the name %s is there twice" .name) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- if hasKey $.Values.videoSources .name -}}
{{- fail (printf "the name %s is in sources and in videoSources" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
