{{- define "keyward.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "keyward.fullname" -}}
{{- $name := include "keyward.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "keyward.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "keyward.selector" -}}
app.kubernetes.io/name: {{ include "keyward.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keyward.labels" -}}
{{- $own := dict "app.kubernetes.io/part-of" "keyward" "app.kubernetes.io/version" .Chart.AppVersion "app.kubernetes.io/managed-by" .Release.Service "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- toYaml (mergeOverwrite (deepCopy .Values.commonLabels) $own (include "keyward.selector" . | fromYaml)) }}
{{- end }}

{{- /* The labels and annotations of an object: (dict "root" $ "labels" … "annotations" …), the last two optional. */}}
{{- define "keyward.metadata" -}}
labels: {{- toYaml (mergeOverwrite (deepCopy (.labels | default dict)) (include "keyward.labels" .root | fromYaml)) | nindent 2 }}
{{- with mergeOverwrite (deepCopy .root.Values.commonAnnotations) (.annotations | default dict) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The rules in a file, without its first line, which says where the file comes from: (list $ file). */}}
{{- define "keyward.rules" -}}
{{ (index . 0).Files.Get (index . 1) | trim | splitList "\n" | rest | join "\n" }}
{{- end }}

{{- /* The subject of the operator's bindings. */}}
{{- define "keyward.subjects" -}}
- kind: ServiceAccount
  name: {{ .Values.serviceAccount.name }}
  namespace: {{ include "keyward.namespace" . }}
{{- end }}

{{- /* A ClusterRole with the rules of a file, bound in these namespaces, or in the whole cluster if there are none: (list $ name file namespaces). */}}
{{- define "keyward.bound" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  {{- include "keyward.metadata" (dict "root" $root) | nindent 2 }}
rules:
{{ include "keyward.rules" (list $root (printf "files/rules/%s.yaml" (index . 2))) }}
{{- range $namespace := index . 3 | default (list "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne $namespace "") }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- include "keyward.metadata" (dict "root" $root) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects: {{- include "keyward.subjects" $root | nindent 0 }}
{{- end }}
{{- end }}

{{- /* Stops if the cluster has no kind of the Prometheus operator that is to be created: (list $ "ServiceMonitor"). Says nothing if it is to be left out. */}}
{{- define "keyward.monitoring" -}}
{{- $root := index . 0 }}{{ $kind := index . 1 }}
{{- if or (eq $root.Values.metrics.renderMode "alwaysRender") ($root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind)) }}yes
{{- else if eq $root.Values.metrics.renderMode "failIfMissing" }}
{{- fail (printf "the cluster has no %s of monitoring.coreos.com/v1; install the Prometheus operator, or set metrics.renderMode to alwaysRender if it comes later, or to skipIfMissing to go on without it. helm template needs --api-versions monitoring.coreos.com/v1/%s" $kind $kind) }}
{{- end }}
{{- end }}

{{- /* A security context without what OpenShift chooses itself: (list $ context). */}}
{{- define "keyward.securityContext" -}}
{{- $root := index . 0 }}{{ $context := index . 1 }}
{{- if or (eq $root.Values.openshift "force") (and (eq $root.Values.openshift "auto") ($root.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- /* The name of the cluster that a Deployment of Keyward in this namespace has now, whatever installed it; or nothing. */}}
{{- define "keyward.clusterIdInUse" -}}
{{- range (lookup "apps/v1" "Deployment" (include "keyward.namespace" .) "").items }}
{{- $namespace := .metadata.namespace }}
{{- range .spec.template.spec.containers }}
{{- range .env }}
{{- if eq .name "KEYWARD_CLUSTER_ID" }}
{{- if .value }}{{ .value }} {{ else }}
{{- $from := .valueFrom.configMapKeyRef }}
{{- $map := lookup "v1" "ConfigMap" $namespace $from.name }}
{{- if $map }}{{ index $map.data $from.key }} {{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Stops if nobody chose the name of the cluster, or if it would change without a word. */}}
{{- define "keyward.checkClusterId" -}}
{{- $from := .Values.clusterIdFrom.configMap }}
{{- if and $from .Values.clusterId }}{{ fail "set clusterId or clusterIdFrom.configMap, not both" }}{{ end }}
{{- $new := .Values.clusterId }}
{{- if $from }}
{{- $map := lookup "v1" "ConfigMap" (include "keyward.namespace" .) $from }}
{{- $new = "" }}
{{- if $map }}{{ $new = index $map.data .Values.clusterIdFrom.key | default "" }}{{ end }}
{{- else }}
{{- $_ := required "set clusterId: a unique name of this cluster, 1 to 36 lower-case letters, digits or '-'. Keep it for as long as the cluster has keys" $new }}
{{- end }}
{{- range (include "keyward.clusterIdInUse" . | splitList " ") }}
{{- if and . $new (ne . $new) (ne . $.Values.previousClusterId) }}
{{- fail (printf "this would change the cluster id from %s to %s, and Keyward would no longer recognize its keys. If you want that, set previousClusterId=%s" . $new .) }}
{{- end }}
{{- end }}
{{- end }}
