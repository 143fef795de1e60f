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

// What a stored rating is used for.
const (
	PartTrain   = C.RECSYS_PART_TRAIN
	PartTest    = C.RECSYS_PART_TEST
	PartHistory = C.RECSYS_PART_HISTORY
	PartUnused  = C.RECSYS_PART_UNUSED
)

// Split tells how stored ratings are divided: a Part for each pair; the syntax is in recsys.h.
func Split(s *Store, split string, repeat uint32, users, items []int64) ([]uint8, error) {
	if err := same(len(users), "Split", len(items)); err != nil {
		return nil, err
	}
	t, err := text(split)
	if err != nil {
		return nil, err
	}
	parts := make([]uint8, len(users))
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_split(s, chars(t), C.uint32_t(repeat), i64(users), i64(items), C.size_t(len(users)), u8(parts), e)
	})
	return parts, err
}

// EvaluateOptions: nil or zero: the split "random", all candidates, lists of 10 and 20.
type EvaluateOptions struct {
	Split        string
	Hidden       bool // rank only items without a rating in training
	Users, Items []int64
	Parts        []uint8 // given folds: repeats x len(Users)
	K            []uint32
	RelevantFrom float64
	Fingerprint  string
	Threads      uint32
	Seed         uint64
	Progress     Progress
}

// Evaluation is what an evaluation found; made once, never changes. Close it.
type Evaluation struct{ handle }

// Evaluate fits each of the rankers ("ease; als factors=64; popular") to the training part of each repeat, ranks all
// candidates for every user with something relevant in the test part, and compares.
func Evaluate(ctx context.Context, s *Store, rankers string, o *EvaluateOptions) (*Evaluation, error) {
	if o == nil {
		o = &EvaluateOptions{}
	}
	texts, err := block([]string{rankers}, []string{o.Split}, []string{o.Fingerprint})
	if err != nil {
		return nil, err
	}
	if err := same(len(o.Users), "Evaluate", len(o.Items)); err != nil {
		return nil, err
	}
	repeats := 0
	if len(o.Users) > 0 {
		repeats = len(o.Parts) / len(o.Users)
		if repeats*len(o.Users) != len(o.Parts) {
			return nil, invalid("Evaluate: %d parts are no repeats of %d ratings", len(o.Parts), len(o.Users))
		}
	}
	split, space := texts[len(rankers)+1:], texts[len(rankers)+len(o.Split)+2:]
	w := &watch{ctx: ctx, progress: o.Progress}
	var made *C.recsys_evaluation
	var watched error
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) (status C.recsys_status) {
		watched = w.run(func(user C.uintptr_t) {
			status = C.bridge_evaluate(&made, s, chars(texts), chars(split), C.uint32_t(flag(o.Hidden, C.RECSYS_CANDIDATES_HIDDEN)),
				i64(o.Users), i64(o.Items), u8(o.Parts), C.uint64_t(len(o.Users)), C.uint32_t(repeats), u32(o.K),
				C.uint32_t(len(o.K)), C.double(o.RelevantFrom), chars(space), C.uint32_t(o.Threads), C.uint64_t(o.Seed), user, e)
		})
		return status
	})
	if watched != nil {
		return nil, watched
	}
	if err != nil {
		return nil, w.result(err)
	}
	evaluation := &Evaluation{}
	evaluation.open(unsafe.Pointer(made), func(p unsafe.Pointer) { C.recsys_evaluation_close((*C.recsys_evaluation)(p)) })
	return evaluation, nil
}

// Close frees it. Further calls return ErrClosed.
func (v *Evaluation) Close() { v.close() }

// MeasuredMetric is one measured number, with its 95 % interval over users.
type MeasuredMetric struct {
	Mean, Low, High    float64
	Deviation          float64 // corrected standard deviation of the mean over repeats; 0 with one repeat
	Difference, PValue float64 // from the best ranker's mean, after Holm
	Users, Unscored    int
	Seconds            float64
	RepeatMean         float64
}

// Get gives a metric ("ndcg@10", "recall@20", "auc", ...) of the ranker-th algorithm, for a group ("": all users).
func (v *Evaluation) Get(ranker int, metric, group string) (MeasuredMetric, error) {
	if group == "" {
		group = "all"
	}
	texts, err := block([]string{metric, group})
	if err != nil {
		return MeasuredMetric{}, err
	}
	p, err := v.enter()
	if err != nil {
		return MeasuredMetric{}, err
	}
	defer v.leave()
	var m C.recsys_metric
	var e C.recsys_error
	m.struct_size = C.uint32_t(unsafe.Sizeof(m))
	status := C.recsys_evaluation_get((*C.recsys_evaluation)(p), C.uint32_t(ranker), chars(texts), chars(texts[len(metric)+1:]), &m, &e)
	return MeasuredMetric{float64(m.mean), float64(m.low), float64(m.high), float64(m.deviation), float64(m.difference),
		float64(m.p_value), int(m.users), int(m.unscored), float64(m.seconds), float64(m.repeat_mean)}, failure(status, &e)
}

// Describe tells everything, as JSON.
func (v *Evaluation) Describe() (json.RawMessage, error) {
	p, err := v.enter()
	if err != nil {
		return nil, err
	}
	defer v.leave()
	s, err := readText(func(buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_evaluation_describe((*C.recsys_evaluation)(p), buffer, size, length, e)
	})
	return json.RawMessage(s), err
}
