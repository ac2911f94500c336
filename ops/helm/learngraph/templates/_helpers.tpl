{{- define "learngraph.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "learngraph.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "learngraph.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "learngraph.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "learngraph.selectorLabels" -}}
app.kubernetes.io/name: {{ include "learngraph.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "learngraph.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "learngraph.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "learngraph.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "learngraph.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "learngraph.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* Whole seconds or minutes, as a number of seconds; 0 for what is written otherwise. Defaults are those of the program. */ -}}
{{- define "learngraph.seconds" -}}
{{- if regexMatch "^[0-9]+s$" . -}}
{{- trimSuffix "s" . -}}
{{- else if regexMatch "^[0-9]+m$" . -}}
{{- mul 60 (trimSuffix "m" .) -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{- /* A pod that is killed before the program has ended loses requests. */ -}}
{{- define "learngraph.checkEnd" -}}
{{- $server := default dict .Values.config.server -}}
{{- $delay := include "learngraph.seconds" (default "1s" $server.shutdown_delay) -}}
{{- $timeout := include "learngraph.seconds" (default "10s" $server.shutdown_timeout) -}}
{{- $needed := add .Values.preStopSeconds $delay $timeout -}}
{{- if ge (int64 $needed) (int64 .Values.terminationGracePeriodSeconds) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: preStopSeconds, shutdown_delay and shutdown_timeout together are %d" (int64 .Values.terminationGracePeriodSeconds) (int64 $needed)) -}}
{{- end -}}
{{- end -}}
