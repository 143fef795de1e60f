package recsys

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"math"
)

// Clause is one condition on a field: Any, All, None or Range make them.
type Clause struct {
	op       uint32
	field    string
	values   []string
	min, max float64
}

// Any: the item has at least one of the values in the field.
func Any(field string, values ...string) Clause {
	return Clause{op: C.RECSYS_CLAUSE_ANY, field: field, values: values}
}

// All: it has all of them.
func All(field string, values ...string) Clause {
	return Clause{op: C.RECSYS_CLAUSE_ALL, field: field, values: values}
}

// None: it has none of them.
func None(field string, values ...string) Clause {
	return Clause{op: C.RECSYS_CLAUSE_NONE, field: field, values: values}
}

// Range: its number in the field lies in min..max, both included (math.Inf for no limit).
func Range(field string, min, max float64) Clause {
	return Clause{op: C.RECSYS_CLAUSE_RANGE, field: field, min: min, max: max}
}

// Filter is what may appear in a list; all conditions must hold. The zero value lets everything pass.
type Filter struct {
	Clauses       []Clause
	Allow         []int64 // nil: no such list; empty: nothing passes
	Deny          []int64
	MinSimilarity *float64 // -1..1, cosine (search and similar)
	MaxDistance   *float64 // Euclidean (search and similar)
	Rated         bool     // recommend: items that the user has rated may return
}

// flatFilter is a Filter in plain numbers.
type flatFilter struct {
	has         C.int
	flags       C.uint32_t
	ops, counts []uint32
	limits      []float64
	texts       []byte
	nTexts      int
	allow, deny []int64
	nearness    [2]float64
}

func (f *Filter) flat() (flatFilter, error) {
	if f == nil {
		return flatFilter{texts: []byte{0}}, nil
	}
	flat := flatFilter{has: 1, allow: f.Allow, deny: f.Deny}
	flags := flag(f.Allow != nil, C.RECSYS_FILTER_ALLOW) | flag(f.Rated, C.RECSYS_FILTER_RATED) |
		flag(f.MinSimilarity != nil, C.RECSYS_FILTER_MIN_SIMILARITY) | flag(f.MaxDistance != nil, C.RECSYS_FILTER_MAX_DISTANCE)
	flat.flags = C.uint32_t(flags)
	if f.MinSimilarity != nil {
		flat.nearness[0] = *f.MinSimilarity
	}
	if f.MaxDistance != nil {
		flat.nearness[1] = *f.MaxDistance
	}
	var names []string
	for _, c := range f.Clauses {
		names = append(append(names, c.field), c.values...)
		flat.ops = append(flat.ops, c.op)
		flat.counts = append(flat.counts, uint32(len(c.values)))
		flat.limits = append(flat.limits, c.min, c.max)
		if math.IsNaN(c.min) || math.IsNaN(c.max) {
			return flat, invalid("the range of %q has a limit that is not a number", c.field)
		}
	}
	var err error
	flat.texts, err = block(names)
	flat.nTexts = len(names)
	return flat, err
}

// Metric of a search.
type Metric uint32

// Cosine similarities fall, Euclidean distances rise.
const (
	Cosine    Metric = C.RECSYS_METRIC_COSINE
	Euclidean Metric = C.RECSYS_METRIC_EUCLIDEAN
)

// SearchOptions: nil or zero: cosine, the default space, everything passes.
type SearchOptions struct {
	Metric      Metric
	Fingerprint string
	Filter      *Filter
	Approximate bool     // by the space's index, where it has one
	Effort      uint32   // pictures that an approximate search looks at; 0: 64
	Progress    Progress // of several queries at once, in pictures
}

// Entry is one place of a list.
type Entry struct {
	Item  int64
	Score float64
}

// Lists are n lists of up to K entries: IDs and Scores are n x K, unused places -1 and 0.
type Lists struct {
	K        int
	IDs      []int64
	Scores   []float64
	Counts   []uint32
	Statuses []Status
	Sources  []uint8 // of a ranker, where they were asked for
}

func newLists(n, k int) (*Lists, error) {
	if n < 0 || k < 0 || (k > 0 && n > math.MaxInt/8/k) {
		return nil, invalid("%d lists of %d entries", n, k)
	}
	return &Lists{K: k, IDs: make([]int64, n*k), Scores: make([]float64, n*k), Counts: make([]uint32, n), Statuses: make([]Status, n)}, nil
}

// Len is the number of lists.
func (l *Lists) Len() int { return len(l.Counts) }

// List is the i-th list.
func (l *Lists) List(i int) []Entry {
	entries := make([]Entry, l.Counts[i])
	for j := range entries {
		entries[j] = Entry{l.IDs[i*l.K+j], l.Scores[i*l.K+j]}
	}
	return entries
}

// seed and recall: of MeasureRecall.
func (s *Store) search(queries []float32, dim int, items []int64, n, k int, o *SearchOptions, lists *Lists, seed uint64, recall *C.double) error {
	if o == nil {
		o = &SearchOptions{}
	}
	f, err := o.Filter.flat()
	if err != nil {
		return err
	}
	space, err := text(o.Fingerprint)
	if err != nil {
		return err
	}
	approximate := C.uint32_t(0)
	if o.Approximate {
		approximate = 1
	}
	run := func(user C.uintptr_t) error {
		return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
			return C.bridge_search(s, f32(queries), C.uint32_t(dim), i64(items), C.size_t(n), C.size_t(k), C.uint32_t(o.Metric),
				chars(space), approximate, C.uint32_t(o.Effort), C.uint64_t(seed), recall, user, f.has, f.flags, u32(f.ops),
				u32(f.counts), f64(f.limits), C.size_t(len(f.ops)), chars(f.texts), C.size_t(f.nTexts), i64(f.allow),
				C.size_t(len(f.allow)), i64(f.deny), C.size_t(len(f.deny)), f64(f.nearness[:]), i64(lists.IDs),
				f64(lists.Scores), u32(lists.Counts), stat(lists.Statuses), e)
		})
	}
	if o.Progress == nil {
		return run(0)
	}
	w := &watch{ctx: context.Background(), progress: o.Progress}
	if stopped := w.run(func(user C.uintptr_t) { err = run(user) }); stopped != nil {
		return stopped
	}
	return w.result(err)
}

func (s *Store) lists(queries []float32, dim int, items []int64, n, k int, o *SearchOptions) (*Lists, error) {
	lists, err := newLists(n, k)
	if err != nil {
		return nil, err
	}
	return lists, s.search(queries, dim, items, n, k, o, lists, 0, nil)
}

// Search gives the k nearest items of each query (rows of dim floats, one after the other), exactly unless o says otherwise.
func (s *Store) Search(queries []float32, dim, k int, o *SearchOptions) (*Lists, error) {
	if dim <= 0 || len(queries)%dim != 0 {
		return nil, invalid("Search: %d floats are no rows of %d", len(queries), dim)
	}
	if len(queries) == 0 {
		return newLists(0, k)
	}
	return s.lists(queries, dim, nil, len(queries)/dim, k, o)
}

// Similar gives the k items most like each item. Partial where one has no embedding.
func (s *Store) Similar(items []int64, k int, o *SearchOptions) (*Lists, error) {
	return s.lists(nil, 0, items, len(items), k, o)
}

// IndexOptions: nil or zero: cosine, the default space, the usual numbers.
type IndexOptions struct {
	Metric      Metric
	Fingerprint string
	Links       uint32 // of a picture in each layer; 0: 16
	Effort      uint32 // pictures that a new one looks at; 0: 100
	Progress    Progress
}

// BuildIndex builds the index of a space, which the store then keeps up; approximate searches use it.
func (s *Store) BuildIndex(ctx context.Context, o *IndexOptions) error {
	if o == nil {
		o = &IndexOptions{}
	}
	space, err := text(o.Fingerprint)
	if err != nil {
		return err
	}
	w := &watch{ctx: ctx, progress: o.Progress}
	if stopped := w.run(func(user C.uintptr_t) {
		err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
			return C.bridge_index(s, C.uint32_t(o.Metric), chars(space), C.uint32_t(o.Links), C.uint32_t(o.Effort), user, e)
		})
	}); stopped != nil {
		return stopped
	}
	return w.result(err)
}

// RemoveIndex removes the index of a space ("": the default one) and its file; NotFound where it has none.
func (s *Store) RemoveIndex(fingerprint string) error {
	space, err := text(fingerprint)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_remove_index(s, chars(space), e)
	})
}

// MeasureRecall tells the mean share of the k nearest items that an approximate search with o really finds, over n items (0: 1000) chosen by seed.
func (s *Store) MeasureRecall(n, k int, seed uint64, o *SearchOptions) (float64, error) {
	var recall C.double
	if n < 0 || k < 0 {
		return 0, invalid("MeasureRecall: %d items, lists of %d", n, k)
	}
	err := s.search(nil, 0, nil, n, k, o, &Lists{}, seed, &recall)
	return float64(recall), err
}
