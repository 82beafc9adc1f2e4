{{/* The ports of the containers. Probes of gRPC take numbers, not names. */}}
{{- define "autocomplete.ports" -}}
grpc: 50051
metrics: 9464
http: 8080
redis: 6379
{{- end }}

{{- define "autocomplete.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 50 characters: names are made of it by suffixes, and may have 63. */}}
{{- define "autocomplete.fullname" -}}
{{- $name := include "autocomplete.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select: (dict "root" $ "component" "server"). They never change, for a deployment's cannot. */}}
{{- define "autocomplete.selector" -}}
app.kubernetes.io/name: {{ include "autocomplete.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "autocomplete.labels" -}}
{{ include "autocomplete.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "autocomplete.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "autocomplete.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "autocomplete.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* Settings as variables: (dict "prefix" "AUTOCOMPLETE_" "settings" $map). toJson writes 1000000 where others write 1e+06. */}}
{{- define "autocomplete.settings" -}}
{{- range $name, $value := .settings }}
- name: {{ printf "%s%s" $.prefix (upper $name) }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}

{{/* Seconds that a pod gets to end: pause, drain, and what comes after: (dict "component" $map "drain" default). */}}
{{- define "autocomplete.terminationSeconds" -}}
{{- add .component.preStopSeconds (ceil (default .drain .component.settings.drain_s)) 15 }}
{{- end }}

{{- define "autocomplete.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "autocomplete.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What a pod's template says alike of every component: (dict "root" $ "component" "server" "values" $map). */}}
{{- define "autocomplete.podMetadata" -}}
labels:
  {{- include "autocomplete.labels" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "autocomplete.pod" -}}
serviceAccountName: {{ include "autocomplete.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false # variables of services begin with AUTOCOMPLETE_ too
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "autocomplete.podSecurity" . | nindent 2 }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "autocomplete.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
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
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
