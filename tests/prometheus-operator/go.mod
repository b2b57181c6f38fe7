// The Prometheus operator, for the CRDs of ServiceMonitor, PodMonitor and PrometheusRule. Nothing of it is built. Another
// version: `go mod edit -require github.com/prometheus-operator/prometheus-operator@vX`, then `go mod download`.
module keyward.dev/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.92.0
