{{/* An image's full name. Call with (dict "image" .Values.….image "root" $). */}}
{{- define "local.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistryOverride -}}
{{- $tag := default (printf "v%s" .root.Chart.AppVersion) .image.tag -}}
{{- printf "%s/%s:%s" $registry .image.repository $tag -}}
{{- end -}}

{{/* Labels of one component, which are its selector too. Call with (dict "component" "…" "root" $). */}}
{{- define "local.selector" -}}
app.kubernetes.io/name: spiderpool
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* One webhook. Call with (dict "verb" "mutate|validate" "kind" "…" "operations" (list …) "root" $). */}}
{{- define "local.webhook" -}}
{{- $controller := .root.Values.spiderpoolController -}}
- name: {{ .kind }}.spiderpool.spidernet.io
  admissionReviewVersions: [v1]
  failurePolicy: Fail
  sideEffects: None
  clientConfig:
    service:
      name: {{ $controller.name }}
      namespace: {{ .root.Release.Namespace }}
      path: /{{ .verb }}-spiderpool-spidernet-io-v2beta1-{{ .kind }}
      port: {{ $controller.webhookPort }}
    caBundle: {{ $controller.tls.provided.tlsCa | required "missing spiderpoolController.tls.provided.tlsCa" }}
  rules:
  - apiGroups: [spiderpool.spidernet.io]
    apiVersions: [v2beta1]
    operations: {{ .operations | toJson }}
    resources: [{{ .kind }}s]
{{- end -}}
