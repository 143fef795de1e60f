package recsys

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"
)

// What tests/bench/bindings measures in every language, on the files that the environment names.

func BenchmarkBindingsRecommend(b *testing.B) {
	path := os.Getenv("RECSYS_BENCH_STORE")
	if path == "" {
		b.Skip("RECSYS_BENCH_STORE is not set: run tests/bench/bindings/run.sh")
	}
	s, err := OpenStore(path, nil)
	check(b, err)
	defer s.Close()
	r := fitted(b, s, "popular")
	users, err := s.List(Users, -1, 1)
	check(b, err)
	ctx, best := context.Background(), time.Hour
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ { // the best round, as the other languages report
		start := time.Now()
		for call := 0; call < 20000; call++ {
			if _, err := r.Recommend(ctx, users, 10, nil); err != nil {
				b.Fatal(err)
			}
		}
		if took := time.Since(start) / 20000; took < best {
			best = took
		}
	}
	b.ReportMetric(float64(best.Nanoseconds()), "ns/call")
}

func BenchmarkBindingsEmbed(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(os.Getenv("RECSYS_BENCH_FOLDER"), "*"))
	if err != nil || os.Getenv("RECSYS_BENCH_MODEL") == "" {
		b.Skip("RECSYS_BENCH_MODEL is not set: run tests/bench/bindings/run.sh")
	}
	sort.Strings(files)
	if len(files) > 1000 {
		files = files[:1000]
	}
	images := make([]Image, len(files))
	for i, file := range files {
		images[i].Path = file
	}
	m, err := OpenModel(os.Getenv("RECSYS_BENCH_MODEL"), &ModelOptions{Precision: PrecisionFloat32})
	check(b, err)
	defer m.Close()
	best := time.Hour
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		start := time.Now()
		if _, _, err := m.Embed(context.Background(), images, nil); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(start); took < best {
			best = took
		}
	}
	b.ReportMetric(float64(len(files))/best.Seconds(), "pictures/s")
}
