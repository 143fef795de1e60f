// Package recsys turns product pictures and ratings into ranked item lists: a thin layer over librecsys, whose header
// recsys.h is the specification. It needs cgo and finds the library through pkg-config.
//
//	store, err := recsys.OpenStore("shop.recsys", nil)
//	lists, err := store.Similar([]int64{item}, 10, nil)
//	for _, entry := range lists.List(0) { ... entry.Item, entry.Score ... }
//
// Every type may be used from many goroutines; a Model runs one call at a time. Close waits for calls under way. Errors
// are of type *Error, and errors.Is(err, recsys.NotFound) asks for their status.
package recsys

/*
#cgo pkg-config: recsys
#include "bridge.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// Status is the result of a C call, and an error for errors.Is.
type Status int32

// The statuses of recsys.h.
const (
	OK          Status = C.RECSYS_OK
	Invalid     Status = C.RECSYS_EINVAL
	NoMemory    Status = C.RECSYS_ENOMEM
	IO          Status = C.RECSYS_EIO
	Format      Status = C.RECSYS_EFORMAT
	Version     Status = C.RECSYS_EVERSION
	Unsupported Status = C.RECSYS_EUNSUPPORTED
	Limit       Status = C.RECSYS_ELIMIT
	NotFound    Status = C.RECSYS_ENOTFOUND
	Busy        Status = C.RECSYS_EBUSY
	ReadOnly    Status = C.RECSYS_EREADONLY
	Full        Status = C.RECSYS_EFULL
	Mismatch    Status = C.RECSYS_EMISMATCH
	Cancelled   Status = C.RECSYS_ECANCELLED
	// Partial: some rows of a batch failed; see their statuses, all others are valid.
	Partial   Status = C.RECSYS_EPARTIAL
	NoEngine  Status = C.RECSYS_ENOENGINE
	Engine    Status = C.RECSYS_EENGINE
	Forked    Status = C.RECSYS_EFORKED
	NotFitted Status = C.RECSYS_ENOTFITTED
	Internal  Status = C.RECSYS_EINTERNAL

	// NoteFallbackPopular and NoteShort are notes on a row, not failures.
	NoteFallbackPopular Status = C.RECSYS_NOTE_FALLBACK_POPULAR
	NoteShort           Status = C.RECSYS_NOTE_SHORT
)

// Error is the status' name in C.
func (s Status) Error() string { return C.GoString(C.recsys_status_name(C.recsys_status(s))) }

// Error is a failed call: what, where, and what would mend it.
type Error struct {
	Status  Status
	Detail  int32 // the number beneath, where there is one: errno, an SQLite code, a row
	Message string
}

func (e *Error) Error() string { return "recsys: " + e.Message }

// Is makes errors.Is(err, recsys.NotFound) work.
func (e *Error) Is(target error) bool {
	status, ok := target.(Status)
	return ok && status == e.Status
}

// ErrClosed is the error of a call on a closed handle.
var ErrClosed = errors.New("recsys: the handle is closed")

// LibraryVersion is that of the C library, such as "0.1.0".
func LibraryVersion() string {
	v := uint32(C.recsys_version())
	return fmt.Sprintf("%d.%d.%d", v/1000000, v/1000%1000, v%1000)
}

func failure(status C.recsys_status, e *C.recsys_error) error {
	if status >= 0 {
		return nil
	}
	return &Error{Status(status), int32(e.detail), C.GoString(&e.message[0])}
}

func invalid(format string, arguments ...any) error {
	return &Error{Status: Invalid, Message: fmt.Sprintf(format, arguments...)}
}

// handle keeps a C object from being closed while a call is inside it.
type handle struct {
	mutex   sync.RWMutex
	pointer unsafe.Pointer
	free    func(unsafe.Pointer)
}

func (h *handle) open(pointer unsafe.Pointer, free func(unsafe.Pointer)) {
	h.pointer, h.free = pointer, free
	runtime.SetFinalizer(h, (*handle).close) // only a net: close what you open
}

// enter must be followed by leave when it succeeds.
func (h *handle) enter() (unsafe.Pointer, error) {
	h.mutex.RLock()
	if h.pointer == nil {
		h.mutex.RUnlock()
		return nil, ErrClosed
	}
	return h.pointer, nil
}

func (h *handle) leave() { h.mutex.RUnlock() }

func (h *handle) close() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.pointer != nil {
		h.free(h.pointer)
		h.pointer = nil
		runtime.SetFinalizer(h, nil)
	}
}

// text is a NUL-terminated copy of a Go string for the time of a call.
func text(s string) ([]byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, invalid("%q has a zero byte in it", s)
	}
	return append([]byte(s), 0), nil
}

func chars(b []byte) *C.char { return (*C.char)(unsafe.Pointer(&b[0])) }

// block joins strings, each with its NUL.
func block(lists ...[]string) ([]byte, error) {
	size := 1
	for _, list := range lists {
		for _, s := range list {
			size += len(s) + 1
		}
	}
	joined := make([]byte, 0, size)
	for _, list := range lists {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return nil, invalid("%q has a zero byte in it", s)
			}
			joined = append(append(joined, s...), 0)
		}
	}
	return append(joined, 0), nil
}

// pointer is the address of a slice's first number; nil for an empty one.
func pointer[T any](values []T) unsafe.Pointer {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Pointer(&values[0])
}

func i64(values []int64) *C.int64_t         { return (*C.int64_t)(pointer(values)) }
func u64(values []uint64) *C.uint64_t       { return (*C.uint64_t)(pointer(values)) }
func u32(values []uint32) *C.uint32_t       { return (*C.uint32_t)(pointer(values)) }
func u8(values []uint8) *C.uint8_t          { return (*C.uint8_t)(pointer(values)) }
func f32(values []float32) *C.float         { return (*C.float)(pointer(values)) }
func f64(values []float64) *C.double        { return (*C.double)(pointer(values)) }
func stat(values []Status) *C.recsys_status { return (*C.recsys_status)(pointer(values)) }

// same checks that slices which go together are equally long.
func same(n int, what string, lengths ...int) error {
	for _, length := range lengths {
		if length != n {
			return invalid("%s: %d entries beside %d", what, length, n)
		}
	}
	return nil
}

// readText calls a function that fills a buffer until the text fits.
func readText(call func(buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status) (string, error) {
	for size := 1024; ; {
		buffer := make([]byte, size)
		var length C.size_t
		var e C.recsys_error
		if err := failure(call(chars(buffer), C.size_t(size), &length, &e), &e); err != nil {
			return "", err
		}
		if int(length) < size {
			return string(buffer[:length]), nil
		}
		size = int(length) + 1
	}
}
