package recsys

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop has 40 items with embeddings and 30 users with ratings.
func shop(t testing.TB) *Store {
	const items, users, dim = 40, 30, 8
	random := rand.New(rand.NewSource(1))
	s, err := OpenStore(":memory:", nil)
	check(t, err)
	t.Cleanup(s.Close)
	ids, rows := make([]int64, items), make([]float32, items*dim)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	for i := range rows {
		rows[i] = float32(random.NormFloat64())
	}
	check(t, s.PutEmbeddings("test", dim, ids, nil, rows))
	var who, what []int64
	var values []float32
	for u := int64(1); u <= users; u++ {
		for i := int64(1); i <= items; i++ {
			if random.Float64() < 0.3 {
				who, what, values = append(who, u), append(what, i), append(values, float32(1+random.Intn(5)))
			}
		}
	}
	_, err = s.PutRatings(who, what, values, nil)
	check(t, err)
	return s
}

func fitted(t testing.TB, s *Store, algorithm string) *Ranker {
	r, err := NewRanker(s, algorithm, nil)
	check(t, err)
	t.Cleanup(r.Close)
	check(t, r.Fit(context.Background(), nil))
	return r
}

func expectStatus(t *testing.T, err error, status Status, part string) {
	t.Helper()
	if !errors.Is(err, status) || !strings.Contains(err.Error(), part) {
		t.Errorf("%v instead of %v with %q", err, status, part)
	}
}

func TestErrors(t *testing.T) {
	s, ctx := shop(t), context.Background()
	_, err := NewRanker(s, "nosuch", nil)
	expectStatus(t, err, Invalid, "nosuch")
	if errors.Is(err, NotFound) || NotFound.Error() != "RECSYS_ENOTFOUND" {
		t.Error("statuses are confused")
	}
	r, err := NewRanker(s, "ease", nil)
	check(t, err)
	_, err = r.Recommend(ctx, []int64{1}, 5, nil)
	expectStatus(t, err, NotFitted, "")
	_, err = OpenStore("/nonexistent/folder/s", &StoreOptions{MustExist: true})
	expectStatus(t, err, NotFound, "/nonexistent")
	_, err = OpenStore("a\x00b", nil)
	expectStatus(t, err, Invalid, "zero byte")
	lists, err := s.Similar([]int64{1, 999}, 3, nil)
	expectStatus(t, err, Partial, "1 of 2")
	if len(lists.List(0)) != 3 || len(lists.List(1)) != 0 || lists.Statuses[1] != NotFound {
		t.Error("the good row is lost")
	}
	ids, err := s.Resolve(Items, []string{"no such key"}, false)
	expectStatus(t, err, Partial, "no such key")
	if ids[0] != -1 {
		t.Error("an unknown key has an id")
	}
	_, err = s.Search(make([]float32, 5), 8, 3, nil)
	expectStatus(t, err, Invalid, "5 floats")
	_, err = s.Search([]float32{float32(math.NaN()), 1, 1, 1, 1, 1, 1, 1}, 8, 3, nil)
	expectStatus(t, err, Invalid, "")
	expectStatus(t, s.PutEmbeddings("test", 8, []int64{1, 2}, nil, make([]float32, 8)), Invalid, "rows")
	expectStatus(t, s.PutEmbeddings("other", 8, []int64{1}, nil, []float32{1, 1, 1, 1, 1, 1, 1, 1}), Mismatch, "other")
	expectStatus(t, s.PutLabels([]int64{1}, []string{"a", "b"}, []string{"c"}, nil), Invalid, "PutLabels")
	_, err = s.PutRatings([]int64{1}, []int64{1}, []float32{1, 2}, nil)
	expectStatus(t, err, Invalid, "PutRatings")
	_, err = r.RecommendFrom(ctx, []History{{Items: []int64{1}, Ratings: []float32{1, 2}}}, 3, nil)
	expectStatus(t, err, Invalid, "history 0")
	_, err = s.Similar([]int64{1}, 3, &SearchOptions{Filter: &Filter{Clauses: []Clause{Range("a", math.NaN(), 1)}}})
	expectStatus(t, err, Invalid, "not a number")
}

func TestIndex(t *testing.T) {
	s, err := OpenStore(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n, dim = 3000, 64
	random := rand.New(rand.NewSource(3))
	items, rows := make([]int64, n), make([]float32, n*dim)
	for i := range items {
		items[i] = int64(i)
		for d := 0; d < dim; d++ {
			rows[i*dim+d] = float32(random.NormFloat64())
		}
	}
	if err := s.PutEmbeddings("test", dim, items, nil, rows); err != nil {
		t.Fatal(err)
	}
	_, err = s.MeasureRecall(0, 5, 1, nil)
	expectStatus(t, err, NotFound, "index")
	steps := 0
	err = s.BuildIndex(context.Background(), &IndexOptions{Progress: func(phase string, done, total uint64) { steps++ }})
	if err != nil || steps < 2 {
		t.Fatalf("%v after %d steps", err, steps)
	}
	few, err := s.MeasureRecall(200, 5, 1, &SearchOptions{Effort: 20})
	if err != nil || few < 0.2 || few >= 1 {
		t.Errorf("recall %v, %v", few, err)
	}
	if more, err := s.MeasureRecall(200, 5, 1, &SearchOptions{Effort: 90}); err != nil || more < few {
		t.Errorf("recall %v after %v, %v", more, few, err)
	}
	lists, err := s.Similar(items[:20], 5, &SearchOptions{Approximate: true})
	if err != nil || lists.Counts[19] != 5 {
		t.Errorf("%v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.BuildIndex(cancelled, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	steps = 0
	if _, err := s.Similar(items, 5, &SearchOptions{Progress: func(string, uint64, uint64) { steps++ }}); err != nil || steps < 2 {
		t.Errorf("%v after %d steps", err, steps)
	}
	if err := s.RemoveIndex(""); err != nil {
		t.Errorf("%v", err)
	}
	expectStatus(t, s.RemoveIndex("test"), NotFound, "index")
}

func TestClosed(t *testing.T) {
	s := shop(t)
	r := fitted(t, s, "popular")
	s.Close()
	s.Close()
	if _, err := s.Info(); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := NewRanker(s, "popular", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if lists, err := r.Recommend(context.Background(), []int64{1}, 3, nil); err != nil || len(lists.List(0)) != 3 {
		t.Errorf("a ranker keeps what it needs of its store: %v", err)
	}
	r.Close()
	if _, err := r.Describe(); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestWhatGoesInComesOut(t *testing.T) {
	s, err := OpenStore(":memory:", nil)
	check(t, err)
	defer s.Close()
	check(t, s.PutSpace("s", 3, "three", true))
	check(t, s.PutEmbeddings("s", 3, []int64{1, 1, 2}, []int64{0, 1, 0}, []float32{1, 0, 0, 0, 1, 0, 0, 0, 1}))
	check(t, s.PutLabels([]int64{1, 1}, []string{"kind", "kind"}, []string{"shoe", "boot"}, []float32{0.5, 1}))
	check(t, s.PutNumbers([]int64{1}, []string{"price"}, []float64{9.5}))
	long := strings.Repeat("Stiefel für den Winter", 100)
	check(t, s.PutTexts([]int64{1}, []string{"name"}, []string{long}))
	_, err = s.PutEvents([]int64{7, 7}, []int64{2, 1}, []string{"view", "cart"}, []int64{5, 3})
	check(t, err)
	unknown, err := s.PutRatings([]int64{7, 7}, []int64{1, 5}, []float32{4, 3}, []int64{77, 78})
	check(t, err)
	labels, err := s.Labels(1, "kind")
	check(t, err)
	number, err := s.Number(1, "price")
	check(t, err)
	name, err := s.Text(1, "name")
	check(t, err)
	rows, _, err := s.Embeddings("", 3, []int64{1, 2}, []int64{1, 0})
	check(t, err)
	ratings, err := s.Ratings(7)
	check(t, err)
	events, err := s.Events(7)
	check(t, err)
	users, err := s.List(Users, -1, 10)
	check(t, err)
	for i, pair := range [][2]any{
		{labels, []ScoredValue{{"boot", 1}, {"shoe", 0.5}}}, {number, 9.5}, {name, long}, {rows, []float32{0, 1, 0, 0, 0, 1}},
		{ratings, []Rating{{1, 4, 77}, {5, 3, 78}}}, {events, []Event{{1, 3}, {2, 5}}}, {users, []int64{7}}, {unknown, uint64(1)},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%d: %v instead of %v", i, pair[0], pair[1])
		}
	}
	if _, err := s.Number(2, "price"); !errors.Is(err, NotFound) {
		t.Errorf("%v", err)
	}
	check(t, s.RemoveLabels([]int64{1}, []string{"kind"}, []string{"boot"}))
	check(t, s.RemoveLabels([]int64{1}, []string{"price"}, nil))
	check(t, s.RemoveEvents(nil, 4))
	check(t, s.RemoveRatings([]int64{7}, []int64{1}))
	check(t, s.RemoveEmbeddings("", []int64{1}, []int64{1}))
	info, err := s.Info()
	check(t, err)
	if info.Ratings != 1 || info.Events != 1 || info.Embeddings != 2 || info.Labels != 1 || info.Dim != 3 || info.Fingerprint != "s" {
		t.Errorf("%+v", info)
	}
	path := filepath.Join(t.TempDir(), "copy")
	check(t, s.Export(path))
	again, err := OpenStore(path, &StoreOptions{ReadOnly: true})
	check(t, err)
	defer again.Close()
	expectStatus(t, again.Remove(Items, []int64{1}), ReadOnly, "")
	check(t, s.Remove(Items, []int64{2}))
	check(t, s.Refresh())
	report, err := s.Check()
	if err != nil || report != "" {
		t.Errorf("%v %s", err, report)
	}
	check(t, s.RemoveSpace("s"))
	description, err := s.Describe()
	if err != nil || !json.Valid(description) {
		t.Errorf("%v %s", err, description)
	}
}

func TestRankers(t *testing.T) {
	s, ctx := shop(t), context.Background()
	var items []int64
	var fields, values []string
	for i := int64(1); i <= 40; i++ {
		items, fields, values = append(items, i), append(fields, "kind"), append(values, []string{"even", "odd"}[i%2])
	}
	check(t, s.PutLabels(items, fields, values, nil))
	r := fitted(t, s, "ease")
	lists, err := r.Recommend(ctx, []int64{1, 2}, 6, &RecommendOptions{Sources: true, Filter: &Filter{Clauses: []Clause{Any("kind", "odd")}}})
	check(t, err)
	for i := range lists.IDs {
		if lists.IDs[i]%2 == 0 || lists.Sources[i] == SourceNone {
			t.Errorf("place %d: item %d, source %d", i, lists.IDs[i], lists.Sources[i])
		}
	}
	few, err := r.Recommend(ctx, []int64{1}, 6, &RecommendOptions{LabelField: "kind", MaxPerLabel: 2})
	check(t, err)
	if len(few.List(0)) != 4 {
		t.Errorf("%v", few.List(0))
	}
	best := lists.List(0)[0]
	why, err := r.Explain(1, best.Item, 100, nil)
	check(t, err)
	sum := 0.0
	for _, reason := range why.Reasons {
		sum += reason.Contribution
	}
	scores, err := r.Score(1, []int64{best.Item}, nil)
	check(t, err)
	if math.Abs(why.Score-best.Score) > 1e-9 || math.Abs(sum-best.Score) > 1e-9 || math.Abs(scores[0]-best.Score) > 1e-9 || why.Total != len(why.Reasons) {
		t.Errorf("%v, %v, %v, %v", why, sum, scores, best)
	}
	from, err := r.ExplainFrom(History{Items: []int64{1, 2}}, 3, 10, nil)
	if err != nil || from.Total == 0 {
		t.Errorf("%v %v", from, err)
	}
	unknown, err := r.Recommend(ctx, []int64{1 << 40}, 3, nil)
	if err != nil || unknown.Statuses[0] != NoteFallbackPopular {
		t.Errorf("%v %v", unknown, err)
	}
	path := filepath.Join(t.TempDir(), "r")
	check(t, r.Save(path))
	again, err := OpenRanker(s, path, nil)
	check(t, err)
	defer again.Close()
	a, err := again.Recommend(ctx, []int64{1, 2, 3}, 5, nil)
	check(t, err)
	b, err := r.Recommend(ctx, []int64{1, 2, 3}, 5, nil)
	check(t, err)
	if !reflect.DeepEqual(a, b) {
		t.Error("a saved ranker ranks otherwise")
	}
	check(t, r.Refresh(ctx, nil))
	for _, tell := range []func() (json.RawMessage, error){r.Describe, func() (json.RawMessage, error) { return r.Compare(1, 3) }} {
		if text, err := tell(); err != nil || !json.Valid(text) {
			t.Errorf("%v %s", err, text)
		}
	}
}

func TestEvaluation(t *testing.T) {
	s, ctx := shop(t), context.Background()
	var users, items []int64
	for u := int64(1); u <= 30; u++ {
		ratings, err := s.Ratings(u)
		check(t, err)
		for _, rating := range ratings {
			users, items = append(users, u), append(items, rating.Item)
		}
	}
	parts, err := Split(s, "random test=0.3", 0, users, items)
	check(t, err)
	calls := 0
	a, err := Evaluate(ctx, s, "popular; ease", &EvaluateOptions{Split: "random test=0.3 repeats=1", K: []uint32{5},
		Progress: func(phase string, done, total uint64) { calls++ }})
	check(t, err)
	defer a.Close()
	b, err := Evaluate(ctx, s, "popular; ease", &EvaluateOptions{Users: users, Items: items, Parts: parts, K: []uint32{5}})
	check(t, err)
	defer b.Close()
	for ranker := 0; ranker < 2; ranker++ {
		x, err := a.Get(ranker, "ndcg@5", "")
		check(t, err)
		y, err := b.Get(ranker, "ndcg@5", "all")
		check(t, err)
		if math.Abs(x.Mean-y.Mean) > 1e-12 || x.Mean <= 0 || x.Users == 0 {
			t.Errorf("%v %v", x, y)
		}
	}
	if _, err := a.Get(0, "ndcg@7", ""); !errors.Is(err, NotFound) {
		t.Errorf("%v", err)
	}
	if calls == 0 {
		t.Error("no progress was told")
	}
	if text, err := a.Describe(); err != nil || !json.Valid(text) {
		t.Errorf("%v", err)
	}
}

func TestCancelling(t *testing.T) {
	s := shop(t)
	r := fitted(t, s, "als iterations=5")
	before, err := r.Recommend(context.Background(), []int64{1}, 5, nil)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	err = r.Fit(ctx, &FitOptions{Progress: func(string, uint64, uint64) { calls++; cancel() }})
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := r.Fit(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	late, stop := context.WithTimeout(context.Background(), time.Nanosecond)
	defer stop()
	if _, err := Evaluate(late, s, "popular", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	after, err := r.Recommend(context.Background(), []int64{1}, 5, nil)
	check(t, err)
	if !reflect.DeepEqual(before, after) {
		t.Error("a cancelled fit has changed the ranker")
	}
}

func TestPanicInACallback(t *testing.T) {
	r, err := NewRanker(shop(t), "als", nil)
	check(t, err)
	defer r.Close()
	func() {
		defer func() {
			if reason := recover(); reason != "mine" {
				t.Errorf("recovered %v", reason)
			}
		}()
		_ = r.Fit(context.Background(), &FitOptions{Progress: func(string, uint64, uint64) { panic("mine") }})
		t.Error("the panic was lost")
	}()
	check(t, r.Fit(context.Background(), nil)) // the handle is as it was
}

func TestManyGoroutines(t *testing.T) {
	s, ctx := shop(t), context.Background()
	r := fitted(t, s, "item-knn")
	users := []int64{1, 2, 3, 4, 5}
	expected, err := r.Recommend(ctx, users, 5, nil)
	check(t, err)
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < 50; i++ {
				got, err := r.Recommend(ctx, users, 5, nil)
				if err != nil || !reflect.DeepEqual(got, expected) {
					t.Errorf("%v %v", got, err)
				}
				if err := s.PutLabels([]int64{int64(1 + i%40)}, []string{"f"}, []string{string(rune('a' + g))}, nil); err != nil {
					t.Error(err)
				}
			}
		}(g)
	}
	group.Wait()
	go r.Close() // while others are inside
	for i := 0; i < 100; i++ {
		if _, err := r.Recommend(ctx, users, 5, nil); err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
}

func BenchmarkRecommend(b *testing.B) {
	s := shop(b)
	r := fitted(b, s, "popular")
	ctx, user := context.Background(), []int64{1}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if _, err := r.Recommend(ctx, user, 10, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSimilar(b *testing.B) {
	s := shop(b)
	item := []int64{1}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if _, err := s.Similar(item, 10, nil); err != nil {
			b.Fatal(err)
		}
	}
}
