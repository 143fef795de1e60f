package main

import (
	"fmt"
	"io"
	"sort"
	"sync"
	"time"
)

// The upper bounds of the histogram, in seconds.
var bounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

// metrics counts requests and their durations by route, and writes them in Prometheus' text format (version 0.0.4).
type metrics struct {
	mutex  sync.Mutex
	routes map[string]*routeMetrics
}

type routeMetrics struct {
	codes   map[int]uint64
	buckets [13]uint64 // of the bounds, and all others
	seconds float64
	count   uint64
}

func (m *metrics) add(route string, code int, took time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.routes == nil {
		m.routes = map[string]*routeMetrics{}
	}
	r := m.routes[route]
	if r == nil {
		r = &routeMetrics{codes: map[int]uint64{}}
		m.routes[route] = r
	}
	r.codes[code]++
	r.buckets[sort.SearchFloat64s(bounds, took.Seconds())]++
	r.seconds += took.Seconds()
	r.count++
}

func (m *metrics) write(w io.Writer) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	names := make([]string, 0, len(m.routes))
	for name := range m.routes {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintln(w, "# HELP recsys_requests_total Requests by route and HTTP status.\n# TYPE recsys_requests_total counter")
	for _, name := range names {
		codes := make([]int, 0, len(m.routes[name].codes))
		for code := range m.routes[name].codes {
			codes = append(codes, code)
		}
		sort.Ints(codes)
		for _, code := range codes {
			fmt.Fprintf(w, "recsys_requests_total{route=%q,code=\"%d\"} %d\n", name, code, m.routes[name].codes[code])
		}
	}
	fmt.Fprintln(w, "# HELP recsys_request_seconds How long answers took.\n# TYPE recsys_request_seconds histogram")
	for _, name := range names {
		r, sum := m.routes[name], uint64(0)
		for i, bound := range bounds {
			sum += r.buckets[i]
			fmt.Fprintf(w, "recsys_request_seconds_bucket{route=%q,le=\"%g\"} %d\n", name, bound, sum)
		}
		fmt.Fprintf(w, "recsys_request_seconds_bucket{route=%q,le=\"+Inf\"} %d\n", name, r.count)
		fmt.Fprintf(w, "recsys_request_seconds_sum{route=%q} %g\nrecsys_request_seconds_count{route=%q} %d\n", name, r.seconds, name, r.count)
	}
}
