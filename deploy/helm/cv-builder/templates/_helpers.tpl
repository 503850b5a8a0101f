{{/* What distinguishes the services in all installations: which resources and ports each one has. */}}
{{- define "cv-builder.traits" -}}
{{- $callers := .Files.Get "files/callers.json" | fromJson -}}
{{- range $name := keys $callers -}}
{{- if not (hasKey $.Values.services $name) }}{{ fail (printf "services.%s is missing" $name) }}{{ end -}}
{{- end -}}
{{- range $name, $_ := .Values.services }}
{{- $isGateway := eq $name "gateway" }}
{{- if not (or $isGateway (hasKey $callers $name)) }}{{ fail (printf "services.%s: there is no such service" $name) }}{{ end }}
{{ $name }}:
  database: {{ not $isGateway }}
  nats: {{ not $isGateway }}
  media: {{ hasKey $.Values.media $name }}
  outside: {{ has $name (list "payments" "resumes") }}
  ports: { http: 8000{{ if $isGateway }}, ops: 9000{{ end }} }
{{- end }}
{{- end }}

{{- define "cv-builder.name" -}}
{{ .root.Release.Name | trunc 40 | trimSuffix "-" }}-{{ .name }}
{{- end }}

{{- define "cv-builder.image" -}}
{{- $image := .root.Values.image -}}
{{ $image.registry }}/{{ .name }}:{{ .service.tag | default $image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* The labels that select all pods of a service: servers and jobs. */}}
{{- define "cv-builder.selector" -}}
app.kubernetes.io/name: cv-builder
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* The labels that select only its servers. */}}
{{- define "cv-builder.servers" -}}
{{ include "cv-builder.selector" . }}
cv-builder/role: server
{{- end }}

{{- define "cv-builder.labels" -}}
{{ include "cv-builder.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .service.tag | default .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The names of the services that this one calls. */}}
{{- define "cv-builder.calls" -}}
{{- $name := .name -}}
{{- $calls := list -}}
{{- range $callee, $callers := .root.Files.Get "files/callers.json" | fromJson -}}
{{- if has $name $callers }}{{ $calls = append $calls $callee }}{{ end -}}
{{- end -}}
{{ $calls | toJson }}
{{- end }}

{{/* The settings that are not secret. A setting without a value is omitted, so the default of the service applies. */}}
{{- define "cv-builder.env" -}}
{{- $settings := dict "PUBLIC_BASE_URL" .root.Values.publicBaseUrl "LOG_LEVEL" .root.Values.logLevel -}}
{{- $root := .root -}}
{{- range include "cv-builder.calls" . | fromJsonArray -}}
{{- $url := printf "http://%s:8000" (include "cv-builder.name" (dict "root" $root "name" .)) -}}
{{- $_ := set $settings (printf "%s_URL" (upper .)) $url -}}
{{- end -}}
{{- if .traits.nats -}}
{{- $_ := set $settings "NATS_URL" .root.Values.nats.url -}}
{{- $_ := set $settings "NATS_USER" .name -}}
{{- $_ := set $settings "NATS_REPLICAS" (toString .root.Values.nats.replicas) -}}
{{- end -}}
{{- if .traits.media -}}
{{- $_ := set $settings "MEDIA_URL" (get .root.Values.media .name) -}}
{{- end -}}
{{- range $key, $value := merge (deepCopy .service.env) $settings -}}
{{- if $value }}
- name: {{ $key }}
  value: {{ $value | quote }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A pod without root, privileges or a writable disk: /tmp is its only writable volume. */}}
{{- define "cv-builder.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
volumes:
  - name: tmp
    emptyDir: { sizeLimit: 512Mi }
  - name: secrets
    secret: { secretName: {{ .service.secret }}, defaultMode: 0440 }
{{- end }}

{{- define "cv-builder.container" -}}
image: {{ include "cv-builder.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: tmp, mountPath: /tmp }
  - { name: secrets, mountPath: /run/secrets, readOnly: true }
{{- end }}

{{/* A job that runs at the given hooks and is retried until it succeeds. */}}
{{- define "cv-builder.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "cv-builder.name" . }}-{{ .job }}
  labels:
    {{- include "cv-builder.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hooks }}
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 6
  activeDeadlineSeconds: 600
  template:
    metadata:
      labels:
        {{- include "cv-builder.selector" . | nindent 8 }}
        cv-builder/role: job
    spec:
      restartPolicy: OnFailure
      {{- include "cv-builder.pod" . | nindent 6 }}
      containers:
        - name: {{ .job }}
          {{- include "cv-builder.container" . | nindent 10 }}
          command: {{ .command | toJson }}
          env:
            {{- include "cv-builder.env" . | trim | nindent 12 }}
          resources:
            requests: { cpu: 100m, memory: 128Mi }
            limits: { memory: 512Mi }
{{- end }}

{{/* A peer in the egress of a policy, with its ports. */}}
{{- define "cv-builder.egress" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
