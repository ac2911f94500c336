package telemetry

import (
	"context"
	"errors"
	"net"
	"net/url"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// CheckCollector sends one span, named doctor, to the collector that the standard variables name, with their headers
// and certificates. It reports whether there is a collector, and why it does not take the span. Its error shows no URL.
func CheckCollector(ctx context.Context, getenv func(string) string) (configured bool, err error) {
	if !tracesEnabled(getenv) {
		return false, nil
	}
	if err := CheckEnvironment(getenv); err != nil {
		return true, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return true, errors.New("the OTEL_EXPORTER_OTLP variables do not describe a collector")
	}
	tried := &errorExporter{SpanExporter: exporter}
	t := TracerTo(sdktrace.NewSimpleSpanProcessor(tried))
	_, span := t.spans.Start(ctx, "doctor")
	span.End()
	err = collectorError(tried.err)
	return true, errors.Join(err, t.Close(ctx))
}

// errorExporter keeps the error of an export, which the processor would give to a handler of the whole process.
type errorExporter struct {
	sdktrace.SpanExporter
	err error
}

// ExportSpans returns no error.
func (e *errorExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.err = e.SpanExporter.ExportSpans(ctx, spans)
	return nil
}

// collectorError returns the cause without the exporter's message, which holds the URL and the answer.
func collectorError(err error) error {
	var request *url.Error
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errors.New("the collector does not answer in time")
	case errors.As(err, &request), errors.As(err, &network):
		return errors.New("there is no connection to the collector")
	}
	return errors.New("the collector rejects traces")
}
