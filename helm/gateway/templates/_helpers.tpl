{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "gateway.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The pods that serve, as against those of Jobs and tests. */}}
{{- define "gateway.podSelector" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gateway.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "gateway.configMap" -}}
{{- default (include "gateway.fullname" .) .Values.existingConfigMap }}
{{- end }}

{{/* A duration of the gateway ("90s", "2m", "1h", "500ms") in seconds, rounded up. */}}
{{- define "gateway.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- if eq $unit "ms" }}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "s" }}{{ $number }}
{{- else if eq $unit "m" }}{{ mul $number 60 }}
{{- else }}{{ mul $number 3600 }}
{{- end }}
{{- end }}

{{/* A pod ends 4 s after drain.timeout at the latest; 6 more are for the kubelet. */}}
{{- define "gateway.gracePeriod" -}}
{{- $needed := add (include "gateway.seconds" .Values.drain.timeout | int) 10 }}
{{- if .Values.terminationGracePeriodSeconds }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but drain.timeout (%s) needs at least %d: the pod would be killed while it drains. Leave it out to have it computed." (int .Values.terminationGracePeriodSeconds) .Values.drain.timeout (int $needed)) }}
{{- end }}
{{- int .Values.terminationGracePeriodSeconds }}
{{- else }}
{{- $needed }}
{{- end }}
{{- end }}

{{- define "gateway.scaleDownPeriod" -}}
{{- $grace := include "gateway.gracePeriod" . | int }}
{{- $period := default (add $grace 60) .Values.autoscaling.scaleDown.periodSeconds | int }}
{{- if lt $period $grace }}
{{- fail (printf "autoscaling.scaleDown.periodSeconds is %d, but a pod may take %d s to stop: several would drain at once. Leave it out to have it computed." $period $grace) }}
{{- end }}
{{- if gt $period 1800 }}
{{- fail (printf "a scale-down period of %d s is more than Kubernetes allows (1800): shorten drain.timeout" $period) }}
{{- end }}
{{- $period }}
{{- end }}

{{- define "gateway.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "gateway.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What Jobs and tests need: they run for some seconds. */}}
{{- define "gateway.smallResources" -}}
requests:
  cpu: 50m
  memory: 64Mi
limits:
  memory: 256Mi
{{- end }}

{{/* Where Redis is. Kubernetes puts in $(NAME) from variables that stand before it. */}}
{{- define "gateway.redisEnv" -}}
{{- with .Values.redis }}
{{- with .existingSecret }}
{{- if .usernameKey }}
- name: REDIS_USERNAME
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .usernameKey }}}
{{- end }}
{{- if .passwordKey }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .passwordKey }}}
{{- end }}
{{- end }}
{{- if .existingSecret.urlKey }}
- name: GATEWAY_REDIS__URL
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret.name }}, key: {{ .existingSecret.urlKey }}}
{{- else if .url }}
- name: GATEWAY_REDIS__URL
  value: {{ .url | quote }}
{{- end }}
- name: GATEWAY_REDIS__PREFIX
  value: {{ .prefix | quote }}
{{- end }}
{{- end }}

{{- define "gateway.databaseEnv" -}}
{{- with .Values.database }}
{{- with .existingSecret }}
{{- if .usernameKey }}
- name: DATABASE_USERNAME
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .usernameKey }}}
{{- end }}
{{- if .passwordKey }}
- name: DATABASE_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .passwordKey }}}
{{- end }}
{{- end }}
{{- if .existingSecret.urlKey }}
- name: GATEWAY_DATABASE__URL
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret.name }}, key: {{ .existingSecret.urlKey }}}
{{- else if .url }}
- name: GATEWAY_DATABASE__URL
  value: {{ .url | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gateway.hasDatabase" -}}
{{- if or .Values.database.url .Values.database.existingSecret.urlKey }}yes{{ end }}
{{- end }}

{{- define "gateway.hasRedis" -}}
{{- if or .Values.redis.url .Values.redis.existingSecret.urlKey }}yes{{ end }}
{{- end }}

{{- define "gateway.trustEnv" -}}
{{- if or .Values.trustedCertificates.configMap .Values.trustedCertificates.secret }}
- name: SSL_CERT_FILE
  value: /etc/gateway/trust/{{ .Values.trustedCertificates.key }}
{{- end }}
{{- end }}

{{/* The environment of a gateway: settings of the chart, then the secrets. */}}
{{- define "gateway.env" -}}
- name: GATEWAY_LISTEN__PUBLIC
  value: 0.0.0.0:4000
- name: GATEWAY_LISTEN__INTERNAL
  value: 0.0.0.0:4001
{{- if .Values.tls.existingSecret }}
- name: GATEWAY_LISTEN__TLS_CERT_FILE
  value: /etc/gateway/tls/tls.crt
- name: GATEWAY_LISTEN__TLS_KEY_FILE
  value: /etc/gateway/tls/tls.key
{{- end }}
{{ include "gateway.redisEnv" . | trim }}
{{- with include "gateway.databaseEnv" . | trim }}
{{ . }}
{{- end }}
{{- with .Values.limits.connections }}
- name: GATEWAY_LIMITS__CONNECTIONS
  value: {{ int . | quote }}
{{- end }}
- name: GATEWAY_DRAIN__TIMEOUT
  value: {{ .Values.drain.timeout }}
{{- with .Values.drain.delay }}
- name: GATEWAY_DRAIN__DELAY
  value: {{ . }}
{{- end }}
{{- with .Values.drain.batch }}
- name: GATEWAY_DRAIN__BATCH
  value: {{ int . | quote }}
{{- end }}
{{- with .Values.drain.interval }}
- name: GATEWAY_DRAIN__INTERVAL
  value: {{ . }}
{{- end }}
- name: GATEWAY_LOG__FORMAT
  value: {{ .Values.log.format }}
- name: GATEWAY_LOG__LEVEL
  value: {{ .Values.log.level | quote }}
{{- with .Values.workerThreads }}
- name: TOKIO_WORKER_THREADS
  value: {{ int . | quote }}
{{- end }}
{{- with include "gateway.trustEnv" . | trim }}
{{ . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.envFrom" -}}
{{- if .Values.existingSecret }}
- secretRef:
    name: {{ .Values.existingSecret }}
{{- end }}
{{- if .Values.secrets }}
- secretRef:
    name: {{ include "gateway.fullname" . }}
{{- end }}
{{- end }}

{{- define "gateway.volumeMounts" -}}
- name: config
  mountPath: /etc/gateway/config
  readOnly: true
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /etc/gateway/tls
  readOnly: true
{{- end }}
{{- if include "gateway.trustEnv" . }}
- name: trust
  mountPath: /etc/gateway/trust
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.volumes" -}}
- name: config
  configMap:
    name: {{ include "gateway.configMap" . }}
{{- if .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret }}
    defaultMode: 0444
{{- end }}
{{ include "gateway.trustVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.trustVolume" -}}
{{- with .Values.trustedCertificates }}
{{- if .configMap }}
- name: trust
  configMap:
    name: {{ .configMap }}
{{- else if .secret }}
- name: trust
  secret:
    secretName: {{ .secret }}
    defaultMode: 0444
{{- end }}
{{- end }}
{{- end }}

{{/* What cannot go together. Every template that could be wrong by it is stopped here, once, from the Deployment. */}}
{{- define "gateway.validate" -}}
{{- $values := .Values }}
{{- if not (or .Values.config .Values.existingConfigMap) }}
{{- fail "set `config` (the text of gateway.toml) or `existingConfigMap`: a gateway must not be open by accident" }}
{{- end }}
{{- range $section := list "listen" "redis" "database" "drain" "log" }}
{{- if regexMatch (printf "(?m)^\\s*\\[\\s*%s\\s*\\]" $section) $values.config }}
{{- if not (eq $section "listen") }}
{{- fail (printf "[%s] in `config` would be ignored in part: the chart sets it from its values (see values.yaml)" $section) }}
{{- end }}
{{- end }}
{{- end }}
{{- $pods := ternary (int .Values.autoscaling.maxReplicas) (int .Values.replicaCount) .Values.autoscaling.enabled }}
{{- if and (gt $pods 1) (not (include "gateway.hasRedis" .)) }}
{{- fail (printf "%d pods need Redis between them: set redis.url or redis.existingSecret, or replicaCount to 1" $pods) }}
{{- end }}
{{- if and (gt $pods 1) (hasPrefix "sqlite:" .Values.database.url) }}
{{- fail (printf "%d pods cannot share SQLite, which is a file: use PostgreSQL, or replicaCount 1" $pods) }}
{{- end }}
{{- range $service := list "redis" "database" }}
{{- with index $values $service }}
{{- if and (or .existingSecret.urlKey .existingSecret.usernameKey .existingSecret.passwordKey) (not .existingSecret.name) }}
{{- fail (printf "%s.existingSecret has keys but no name" $service) }}
{{- end }}
{{- if and .existingSecret.name (not (or .existingSecret.urlKey .existingSecret.usernameKey .existingSecret.passwordKey)) }}
{{- fail (printf "%s.existingSecret names a Secret but no key of it" $service) }}
{{- end }}
{{- range $part := list "USERNAME" "PASSWORD" }}
{{- $reference := printf "$(%s_%s)" (upper $service) $part }}
{{- with index $values $service }}
{{- if and (contains $reference .url) (not (index .existingSecret (printf "%sKey" (lower $part)))) }}
{{- fail (printf "%s.url has %s, but %s.existingSecret.%sKey is not set" $service $reference $service (lower $part)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.drain.delay }}
{{- if ge (include "gateway.seconds" .Values.drain.delay | int) (include "gateway.seconds" .Values.drain.timeout | int) }}
{{- fail (printf "drain.delay (%s) must be shorter than drain.timeout (%s), which it is part of" .Values.drain.delay .Values.drain.timeout) }}
{{- end }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas is more than maxReplicas" }}
{{- end }}
{{- with .Values.limits.connections }}
{{- if le (int .) (int $values.autoscaling.connectionsPerPod) }}
{{- fail (printf "limits.connections (%d) must be more than autoscaling.connectionsPerPod (%d): pods would refuse clients before another pod is started" (int .) (int $values.autoscaling.connectionsPerPod)) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.autoscaling.kind "keda") (not .Values.autoscaling.keda.serverAddress) }}
{{- fail "autoscaling.keda.serverAddress is needed: the address of Prometheus" }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts is empty" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs is empty: name the Gateway" }}
{{- end }}
{{- if and .Values.trustedCertificates.configMap .Values.trustedCertificates.secret }}
{{- fail "trustedCertificates: a ConfigMap or a Secret, not both" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics: a ServiceMonitor or a PodMonitor, not both: each pod would count twice" }}
{{- end }}
{{- if and .Values.tests.sub .Values.tests.tokenSecret.name }}
{{- fail "tests: sub or tokenSecret, not both" }}
{{- end }}
{{- end }}
