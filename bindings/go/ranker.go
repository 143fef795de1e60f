package recsys

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"unsafe"
)

// Ranker is one algorithm over a store: histories to ranked lists, with reasons. Close it.
type Ranker struct{ handle }

// RankerOptions: the zero value is every default.
type RankerOptions struct {
	Fingerprint string
	Threads     uint32
}

func newRanker(s *Store, algorithm string, path []byte, o *RankerOptions) (*Ranker, error) {
	if o == nil {
		o = &RankerOptions{}
	}
	space, err := text(o.Fingerprint)
	if err != nil {
		return nil, err
	}
	a, err := text(algorithm)
	if err != nil {
		return nil, err
	}
	var where *C.char
	if path != nil {
		where = chars(path)
	}
	var r *C.recsys_ranker
	if err := s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_ranker(&r, s, chars(a), where, chars(space), C.uint32_t(o.Threads), e)
	}); err != nil {
		return nil, err
	}
	ranker := &Ranker{}
	ranker.open(unsafe.Pointer(r), func(p unsafe.Pointer) { C.recsys_ranker_close((*C.recsys_ranker)(p)) })
	return ranker, nil
}

// NewRanker makes a ranker, such as "als factors=64", "ease" or "auto"; Fit it.
func NewRanker(s *Store, algorithm string, o *RankerOptions) (*Ranker, error) {
	return newRanker(s, algorithm, nil, o)
}

// OpenRanker opens a fitted ranker from a file that Save wrote, over a store that may have grown since.
func OpenRanker(s *Store, path string, o *RankerOptions) (*Ranker, error) {
	p, err := text(path)
	if err != nil {
		return nil, err
	}
	return newRanker(s, "", p, o)
}

// Close frees it, after calls under way have ended. Further calls return ErrClosed.
func (r *Ranker) Close() { r.close() }

// FitOptions: the zero value is every default.
type FitOptions struct {
	MemoryLimit uint64 // bytes
	Progress    Progress
}

func (r *Ranker) fit(ctx context.Context, refresh C.int, o *FitOptions) error {
	if o == nil {
		o = &FitOptions{}
	}
	p, err := r.enter()
	if err != nil {
		return err
	}
	defer r.leave()
	var e C.recsys_error
	var status C.recsys_status
	w := &watch{ctx: ctx, progress: o.Progress}
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_fit((*C.recsys_ranker)(p), refresh, C.uint64_t(o.MemoryLimit), user, &e)
	}); err != nil {
		return err
	}
	return w.result(failure(status, &e))
}

// Fit learns what the algorithm needs from the store as it is now. Cancelled or failed: the ranker is as it was.
func (r *Ranker) Fit(ctx context.Context, o *FitOptions) error { return r.fit(ctx, 0, o) }

// Refresh brings a fitted ranker up to the store as it is now without learning everything again.
func (r *Ranker) Refresh(ctx context.Context, o *FitOptions) error { return r.fit(ctx, 1, o) }

// Where an entry of a list comes from.
const (
	SourceNone     = C.RECSYS_SOURCE_NONE
	SourceRatings  = C.RECSYS_SOURCE_RATINGS
	SourceFeatures = C.RECSYS_SOURCE_FEATURES
	SourcePopular  = C.RECSYS_SOURCE_POPULAR
)

// RecommendOptions: nil or zero: everything that was not rated passes.
type RecommendOptions struct {
	Filter      *Filter
	Targets     []int64 // "category": what the lists are for
	Diversity   float64 // 0..1: weight of being unlike what is listed already
	LabelField  string  // with MaxPerLabel: at most so many entries share a label of this field
	MaxPerLabel uint32
	Unique      bool // of items whose pictures are nearly the same, only the best one
	Sources     bool // fill Lists.Sources
	Progress    Progress
}

// how is RecommendOptions in plain numbers.
type how struct {
	o          *RecommendOptions
	flags      C.uint32_t
	labelField []byte
	filter     flatFilter
}

var noOptions = &RecommendOptions{}
var noHow = how{o: noOptions, labelField: []byte{0}, filter: flatFilter{texts: []byte{0}}}

func (o *RecommendOptions) flat() (how, error) {
	if o == nil {
		return noHow, nil
	}
	h := how{o: o, flags: C.uint32_t(flag(o.Unique, C.RECSYS_RECOMMEND_UNIQUE))}
	var err error
	if h.labelField, err = text(o.LabelField); err != nil {
		return h, err
	}
	h.filter, err = o.Filter.flat()
	return h, err
}

// Recommend gives the best k items for each user, from the history that the store holds now.
func (r *Ranker) Recommend(ctx context.Context, users []int64, k int, o *RecommendOptions) (*Lists, error) {
	h, err := o.flat()
	if err != nil {
		return nil, err
	}
	lists, err := newLists(len(users), k)
	if err != nil {
		return nil, err
	}
	if h.o.Sources {
		lists.Sources = make([]uint8, len(lists.IDs))
	}
	p, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer r.leave()
	var e C.recsys_error
	var status C.recsys_status
	f := &h.filter
	w := watch{ctx: ctx, progress: h.o.Progress}
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_recommend((*C.recsys_ranker)(p), i64(users), C.size_t(len(users)), C.size_t(k), i64(lists.IDs),
			f64(lists.Scores), u32(lists.Counts), stat(lists.Statuses), h.flags, C.double(h.o.Diversity),
			C.uint32_t(h.o.MaxPerLabel), chars(h.labelField), i64(h.o.Targets), C.size_t(len(h.o.Targets)), u8(lists.Sources),
			user, f.has, f.flags, u32(f.ops), u32(f.counts), f64(f.limits), C.size_t(len(f.ops)), chars(f.texts),
			C.size_t(f.nTexts), i64(f.allow), C.size_t(len(f.allow)), i64(f.deny), C.size_t(len(f.deny)), f64(f.nearness[:]), &e)
	}); err != nil {
		return nil, err
	}
	return lists, w.result(failure(status, &e))
}

// History is what somebody liked: Ratings and Times nil, or as long as Items.
type History struct {
	Items   []int64
	Ratings []float32
	Times   []int64
}

// joinHistories puts them one after the other; either all of them have ratings (times) or none.
func joinHistories(histories []History) (offsets []uint64, joined History, err error) {
	offsets = make([]uint64, 1, len(histories)+1)
	for i, h := range histories {
		joined.Items = append(joined.Items, h.Items...)
		joined.Ratings = append(joined.Ratings, h.Ratings...)
		joined.Times = append(joined.Times, h.Times...)
		offsets = append(offsets, uint64(len(joined.Items)))
		if (h.Ratings != nil && len(h.Ratings) != len(h.Items)) || (h.Times != nil && len(h.Times) != len(h.Items)) {
			return nil, joined, invalid("history %d has other numbers of ratings or times than of items", i)
		}
	}
	n := len(joined.Items)
	if (len(joined.Ratings) != 0 && len(joined.Ratings) != n) || (len(joined.Times) != 0 && len(joined.Times) != n) {
		return nil, joined, invalid("either all histories have ratings (times) or none has")
	}
	return offsets, joined, nil
}

// RecommendFrom does the same for histories that are passed in (guests, sessions).
func (r *Ranker) RecommendFrom(ctx context.Context, histories []History, k int, o *RecommendOptions) (*Lists, error) {
	offsets, joined, err := joinHistories(histories)
	if err != nil {
		return nil, err
	}
	h, err := o.flat()
	if err != nil {
		return nil, err
	}
	lists, err := newLists(len(histories), k)
	if err != nil {
		return nil, err
	}
	if h.o.Sources {
		lists.Sources = make([]uint8, len(lists.IDs))
	}
	p, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer r.leave()
	var e C.recsys_error
	var status C.recsys_status
	f := &h.filter
	w := watch{ctx: ctx, progress: h.o.Progress}
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_recommend_from((*C.recsys_ranker)(p), u64(offsets), i64(joined.Items), f32(joined.Ratings),
			i64(joined.Times), C.size_t(len(histories)), C.size_t(k), i64(lists.IDs), f64(lists.Scores), u32(lists.Counts),
			stat(lists.Statuses), h.flags, C.double(h.o.Diversity), C.uint32_t(h.o.MaxPerLabel), chars(h.labelField),
			i64(h.o.Targets), C.size_t(len(h.o.Targets)), u8(lists.Sources), user, f.has, f.flags, u32(f.ops), u32(f.counts),
			f64(f.limits), C.size_t(len(f.ops)), chars(f.texts), C.size_t(f.nTexts), i64(f.allow), C.size_t(len(f.allow)),
			i64(f.deny), C.size_t(len(f.deny)), f64(f.nearness[:]), &e)
	}); err != nil {
		return nil, err
	}
	return lists, w.result(failure(status, &e))
}

// Score gives the scores of items for one user, rated or not; 0 where nothing can be said.
func (r *Ranker) Score(user int64, items []int64, o *RecommendOptions) ([]float64, error) {
	h, err := o.flat()
	if err != nil {
		return nil, err
	}
	p, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer r.leave()
	scores := make([]float64, len(items))
	var e C.recsys_error
	f := &h.filter
	status := C.bridge_score((*C.recsys_ranker)(p), C.int64_t(user), i64(items), C.size_t(len(items)), f64(scores), h.flags,
		C.double(h.o.Diversity), C.uint32_t(h.o.MaxPerLabel), chars(h.labelField), i64(h.o.Targets),
		C.size_t(len(h.o.Targets)), nil, 0, f.has, f.flags, u32(f.ops), u32(f.counts), f64(f.limits), C.size_t(len(f.ops)),
		chars(f.texts), C.size_t(f.nTexts), i64(f.allow), C.size_t(len(f.allow)), i64(f.deny), C.size_t(len(f.deny)),
		f64(f.nearness[:]), &e)
	return scores, failure(status, &e)
}

// Reason is one summand of a score; Item -1: the part that does not depend on the history.
type Reason struct {
	Item                             int64
	Contribution, Similarity, Rating float64
}

// Explanation tells why an item has its score: up to the limit reasons, of Total, by falling contribution.
type Explanation struct {
	Score   float64
	Reasons []Reason
	Total   int
}

func (r *Ranker) explain(user int64, h History, item int64, limit int, o *RecommendOptions) (Explanation, error) {
	flat, err := o.flat()
	if err != nil {
		return Explanation{}, err
	}
	if limit < 0 {
		return Explanation{}, invalid("%d reasons", limit)
	}
	p, err := r.enter()
	if err != nil {
		return Explanation{}, err
	}
	defer r.leave()
	items, reals := make([]int64, limit), make([]float64, 3*limit)
	var e C.recsys_error
	var count C.size_t
	var score C.double
	f := &flat.filter
	status := C.bridge_explain((*C.recsys_ranker)(p), C.int64_t(user), i64(h.Items), f32(h.Ratings), i64(h.Times),
		C.size_t(len(h.Items)), C.int64_t(item), i64(items), f64(reals), C.size_t(limit), &count, &score, flat.flags,
		C.double(flat.o.Diversity), C.uint32_t(flat.o.MaxPerLabel), chars(flat.labelField), i64(flat.o.Targets),
		C.size_t(len(flat.o.Targets)), nil, 0, f.has, f.flags, u32(f.ops), u32(f.counts), f64(f.limits), C.size_t(len(f.ops)),
		chars(f.texts), C.size_t(f.nTexts), i64(f.allow), C.size_t(len(f.allow)), i64(f.deny), C.size_t(len(f.deny)),
		f64(f.nearness[:]), &e)
	if err := failure(status, &e); err != nil {
		return Explanation{}, err
	}
	why := Explanation{Score: float64(score), Total: int(count)}
	for i := 0; i < limit && i < int(count); i++ {
		why.Reasons = append(why.Reasons, Reason{items[i], reals[3*i], reals[3*i+1], reals[3*i+2]})
	}
	return why, nil
}

// Explain tells why item has its score for a user.
func (r *Ranker) Explain(user, item int64, limit int, o *RecommendOptions) (Explanation, error) {
	if user < 0 {
		return Explanation{}, invalid("users have ids from 0, not %d", user)
	}
	return r.explain(user, History{}, item, limit, o)
}

// ExplainFrom does the same for a history that is passed in.
func (r *Ranker) ExplainFrom(h History, item int64, limit int, o *RecommendOptions) (Explanation, error) {
	if _, _, err := joinHistories([]History{h}); err != nil {
		return Explanation{}, err
	}
	return r.explain(-1, h, item, limit, o)
}

func (r *Ranker) text(call func(r *C.recsys_ranker, buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status) (json.RawMessage, error) {
	p, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer r.leave()
	s, err := readText(func(buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status {
		return call((*C.recsys_ranker)(p), buffer, size, length, e)
	})
	return json.RawMessage(s), err
}

// Compare tells what two items have in common, as JSON: labels, numbers, words, and the likeness of their pictures.
func (r *Ranker) Compare(a, b int64) (json.RawMessage, error) {
	return r.text(func(r *C.recsys_ranker, t *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_ranker_compare(r, C.int64_t(a), C.int64_t(b), t, n, l, e)
	})
}

// Describe tells the algorithm with all its parameters, and what it was fitted on, as JSON.
func (r *Ranker) Describe() (json.RawMessage, error) {
	return r.text(func(r *C.recsys_ranker, t *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_ranker_describe(r, t, n, l, e)
	})
}

// Save writes what was fitted to one safetensors file.
func (r *Ranker) Save(path string) error {
	t, err := text(path)
	if err != nil {
		return err
	}
	p, err := r.enter()
	if err != nil {
		return err
	}
	defer r.leave()
	var e C.recsys_error
	return failure(C.recsys_ranker_save((*C.recsys_ranker)(p), chars(t), &e), &e)
}
