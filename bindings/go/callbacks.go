package recsys

/*
#include <stdint.h>
*/
import "C"

import (
	"context"
	"runtime/cgo"
)

// Progress is told how far long work is: done of total steps (0: not known) of a phase.
type Progress func(phase string, done, total uint64)

// TrainProgress is where training is.
type TrainProgress struct {
	Phase                        string // "features", "fold", "head", "fine-tune" or "distill"
	Fold, Epoch, Epochs          uint32
	Step, Steps                  uint64
	TrainingLoss, ValidationLoss float64
}

// watch is one call with callbacks: it cancels with its context, and keeps a panic until C has returned.
type watch struct {
	ctx      context.Context
	progress Progress
	training func(TrainProgress)
	panicked any
}

// run calls f with a handle for C: 0 where nobody watches.
func (w *watch) run(f func(user C.uintptr_t)) error {
	if w.progress == nil && w.training == nil && (w.ctx == nil || w.ctx.Done() == nil) {
		f(0)
		return nil
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	h := cgo.NewHandle(w)
	defer h.Delete()
	f(C.uintptr_t(h))
	if w.panicked != nil {
		panic(w.panicked)
	}
	return nil
}

// result prefers the context's own error where that is why a call was cancelled.
func (w *watch) result(err error) error {
	if e, ok := err.(*Error); ok && e.Status == Cancelled && w.ctx != nil && w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	return err
}

func (w *watch) guard(tell func()) (stop C.int) {
	defer func() {
		if reason := recover(); reason != nil {
			w.panicked, stop = reason, 1
		}
	}()
	if w.panicked != nil {
		return 1
	}
	tell()
	if w.ctx != nil && w.ctx.Err() != nil {
		return 1
	}
	return 0
}

//export recsysGoProgress
func recsysGoProgress(user C.uintptr_t, phase *C.char, done, total C.uint64_t) C.int {
	w := cgo.Handle(user).Value().(*watch)
	return w.guard(func() {
		if w.progress != nil {
			w.progress(C.GoString(phase), uint64(done), uint64(total))
		}
	})
}

//export recsysGoTrainProgress
func recsysGoTrainProgress(user C.uintptr_t, phase *C.char, fold, epoch, epochs C.uint32_t, step, steps C.uint64_t, training, validation C.double) C.int {
	w := cgo.Handle(user).Value().(*watch)
	return w.guard(func() {
		if w.training != nil {
			w.training(TrainProgress{C.GoString(phase), uint32(fold), uint32(epoch), uint32(epochs), uint64(step), uint64(steps),
				float64(training), float64(validation)})
		}
	})
}
