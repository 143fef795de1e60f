package recsys

/*
#include "bridge.h"
*/
import "C"

import (
	"encoding/json"
	"unsafe"
)

// Store is the catalogue: items, keys, labels, embeddings, ratings. Close it.
type Store struct{ handle }

// StoreOptions: the zero value is every default.
type StoreOptions struct {
	ReadOnly, MustExist, Immutable bool
	BusyTimeout                    float64 // seconds; 0: 5 s; negative: do not wait
	Threads                        uint32
	Progress                       Progress
}

// Kind of a key.
type Kind int32

// The two key spaces.
const (
	Items Kind = C.RECSYS_ITEMS
	Users Kind = C.RECSYS_USERS
)

// OpenStore opens or creates a store: a path, or ":memory:".
func OpenStore(location string, o *StoreOptions) (*Store, error) {
	if o == nil {
		o = &StoreOptions{}
	}
	where, err := text(location)
	if err != nil {
		return nil, err
	}
	flags := flag(o.ReadOnly, C.RECSYS_STORE_READ_ONLY) | flag(o.MustExist, C.RECSYS_STORE_MUST_EXIST) |
		flag(o.Immutable, C.RECSYS_STORE_IMMUTABLE)
	var s *C.recsys_store
	var e C.recsys_error
	var status C.recsys_status
	w := &watch{progress: o.Progress}
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_store_open(&s, chars(where), C.uint32_t(flags), C.double(o.BusyTimeout), C.uint32_t(o.Threads), user, &e)
	}); err != nil {
		return nil, err
	}
	if err := failure(status, &e); err != nil {
		return nil, err
	}
	store := &Store{}
	store.open(unsafe.Pointer(s), func(p unsafe.Pointer) { C.recsys_store_close((*C.recsys_store)(p)) })
	return store, nil
}

// Close frees it, after calls under way have ended. Further calls return ErrClosed.
func (s *Store) Close() { s.close() }

// call runs f inside the handle.
func (s *Store) call(f func(s *C.recsys_store, e *C.recsys_error) C.recsys_status) error {
	p, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	var e C.recsys_error
	return failure(f((*C.recsys_store)(p), &e), &e)
}

func (s *Store) text(call func(s *C.recsys_store, buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status) (string, error) {
	p, err := s.enter()
	if err != nil {
		return "", err
	}
	defer s.leave()
	return readText(func(buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status {
		return call((*C.recsys_store)(p), buffer, size, length, e)
	})
}

// StoreInfo are counts, and the default space.
type StoreInfo struct {
	Items, Users, Embeddings, Ratings, Labels, Events, Spaces uint64

	Dim           int    // of the default space; 0: there is none yet
	Fingerprint   string // of the default space
	Change        int64
	SchemaVersion uint32
}

// Info counts.
func (s *Store) Info() (info StoreInfo, err error) {
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		var i C.recsys_store_info
		i.struct_size = C.uint32_t(unsafe.Sizeof(i))
		status := C.recsys_store_get_info(s, &i, e)
		info = StoreInfo{uint64(i.items), uint64(i.users), uint64(i.embeddings), uint64(i.ratings), uint64(i.labels),
			uint64(i.events), uint64(i.spaces), int(i.dim), C.GoString(&i.fingerprint[0]), int64(i.change), uint32(i.schema_version)}
		return status
	})
	return info, err
}

// Describe tells everything about it, as JSON.
func (s *Store) Describe() (json.RawMessage, error) {
	t, err := s.text(func(s *C.recsys_store, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_describe(s, b, n, l, e)
	})
	return json.RawMessage(t), err
}

// Resolve gives the ids of keys. Unknown ones are -1 and the error is Partial, unless create.
func (s *Store) Resolve(kind Kind, keys []string, create bool) ([]int64, error) {
	b, err := block(keys)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(keys))
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_resolve(s, C.int32_t(kind), chars(b), C.size_t(len(keys)),
			C.uint32_t(flag(create, C.RECSYS_RESOLVE_CREATE)), i64(ids), e)
	})
	return ids, err
}

// Key is the key of an item or a user; one without a key has its decimal digits.
func (s *Store) Key(kind Kind, id int64) (string, error) {
	return s.text(func(s *C.recsys_store, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_get_key(s, C.int32_t(kind), C.int64_t(id), b, n, l, e)
	})
}

// List gives up to n ids after afterID, rising; start with -1.
func (s *Store) List(kind Kind, afterID int64, n int) ([]int64, error) {
	ids := make([]int64, n)
	var count C.size_t
	err := s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_list(s, C.int32_t(kind), C.int64_t(afterID), i64(ids), C.size_t(n), &count, e)
	})
	return ids[:count], err
}

// -- putting: each call is one transaction

// PutSpace adds a space, or changes its description or default flag.
func (s *Store) PutSpace(fingerprint string, dim int, description string, makeDefault bool) error {
	f, err := block([]string{fingerprint, description})
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_put_space(s, chars(f), C.uint32_t(dim), chars(f[len(fingerprint)+1:]),
			C.uint32_t(flag(makeDefault, C.RECSYS_SPACE_DEFAULT)), e)
	})
}

// PutEmbeddings stores len(items) rows of dim floats; pictures nil: all 0.
func (s *Store) PutEmbeddings(fingerprint string, dim int, items, pictures []int64, rows []float32) error {
	f, err := text(fingerprint)
	if err != nil {
		return err
	}
	if err := same(len(items)*dim, "PutEmbeddings: rows", len(rows)); err != nil {
		return err
	}
	if pictures != nil {
		if err := same(len(items), "PutEmbeddings: pictures", len(pictures)); err != nil {
			return err
		}
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_put_embeddings(s, chars(f), C.uint32_t(dim), i64(items), i64(pictures), f32(rows), C.size_t(len(items)), e)
	})
}

// PutLabels: item items[i] has values[i] in fields[i] with scores[i] in 0..1 (nil: all 1).
func (s *Store) PutLabels(items []int64, fields, values []string, scores []float32) error {
	if err := same(len(items), "PutLabels", len(fields), len(values)); err != nil {
		return err
	}
	if scores != nil {
		if err := same(len(items), "PutLabels: scores", len(scores)); err != nil {
			return err
		}
	}
	b, err := block(fields, values)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_put_labels(s, i64(items), chars(b), f32(scores), C.size_t(len(items)), e)
	})
}

// PutNumbers stores one finite number per item and field (year, price, stock).
func (s *Store) PutNumbers(items []int64, fields []string, values []float64) error {
	if err := same(len(items), "PutNumbers", len(fields), len(values)); err != nil {
		return err
	}
	b, err := block(fields)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_put_numbers(s, i64(items), chars(b), f64(values), C.size_t(len(items)), e)
	})
}

// PutTexts stores one text per item and field (a name, a description).
func (s *Store) PutTexts(items []int64, fields, values []string) error {
	if err := same(len(items), "PutTexts", len(fields), len(values)); err != nil {
		return err
	}
	b, err := block(fields, values)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_put_texts(s, i64(items), chars(b), C.size_t(len(items)), e)
	})
}

// PutRatings stores ratings, one per user and item; times nil: 0. unknown: how many are for items that have neither
// embedding nor label yet; they are kept.
func (s *Store) PutRatings(users, items []int64, values []float32, times []int64) (unknown uint64, err error) {
	if err := same(len(users), "PutRatings", len(items), len(values)); err != nil {
		return 0, err
	}
	if times != nil {
		if err := same(len(users), "PutRatings: times", len(times)); err != nil {
			return 0, err
		}
	}
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_put_ratings(s, i64(users), i64(items), f32(values), i64(times), C.size_t(len(users)),
			(*C.uint64_t)(unsafe.Pointer(&unknown)), e)
	})
	return unknown, err
}

// PutEvents adds what shoppers did ("view", "cart", "purchase", or names of the shop's own) and when (Unix seconds).
func (s *Store) PutEvents(users, items []int64, kinds []string, times []int64) (unknown uint64, err error) {
	if err := same(len(users), "PutEvents", len(items), len(kinds), len(times)); err != nil {
		return 0, err
	}
	b, err := block(kinds)
	if err != nil {
		return 0, err
	}
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_put_events(s, i64(users), i64(items), chars(b), i64(times), C.size_t(len(users)),
			(*C.uint64_t)(unsafe.Pointer(&unknown)), e)
	})
	return unknown, err
}

// -- removing: what is not there is not an error

// Remove takes items or users away with everything that belongs to them.
func (s *Store) Remove(kind Kind, ids []int64) error {
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_remove(s, C.int32_t(kind), i64(ids), C.size_t(len(ids)), e)
	})
}

// fingerprint is that text for C; nil: the default space.
func spaceName(fingerprint string) ([]byte, *C.char, error) {
	if fingerprint == "" {
		return nil, nil, nil
	}
	t, err := text(fingerprint)
	if err != nil {
		return nil, nil, err
	}
	return t, chars(t), nil
}

// RemoveEmbeddings: pictures nil: all of each item; fingerprint "": the default space.
func (s *Store) RemoveEmbeddings(fingerprint string, items, pictures []int64) error {
	if pictures != nil {
		if err := same(len(items), "RemoveEmbeddings", len(pictures)); err != nil {
			return err
		}
	}
	_, f, err := spaceName(fingerprint)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_remove_embeddings(s, f, i64(items), i64(pictures), C.size_t(len(items)), e)
	})
}

// RemoveLabels: values nil: all of the field. Labels, number and text of that field alike.
func (s *Store) RemoveLabels(items []int64, fields, values []string) error {
	if err := same(len(items), "RemoveLabels", len(fields)); err != nil {
		return err
	}
	if values != nil {
		if err := same(len(items), "RemoveLabels", len(values)); err != nil {
			return err
		}
	}
	b, err := block(fields, values)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.bridge_remove_labels(s, i64(items), chars(b), C.int(flag(values != nil, 1)), C.size_t(len(items)), e)
	})
}

// RemoveRatings, pair by pair.
func (s *Store) RemoveRatings(users, items []int64) error {
	if err := same(len(users), "RemoveRatings", len(items)); err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_remove_ratings(s, i64(users), i64(items), C.size_t(len(users)), e)
	})
}

// RemoveEvents with a time before `before`: those of users, or (nil) everybody's.
func (s *Store) RemoveEvents(users []int64, before int64) error {
	if users != nil && len(users) == 0 {
		return nil
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_remove_events(s, i64(users), C.size_t(len(users)), C.int64_t(before), e)
	})
}

// RemoveSpace takes a whole space with its rows away; the default one only when it is the last.
func (s *Store) RemoveSpace(fingerprint string) error {
	t, err := text(fingerprint)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_remove_space(s, chars(t), e)
	})
}

// -- getting, from memory

// Embeddings gives len(items) rows of dim floats. Partial where some are absent: their rows are zeros.
func (s *Store) Embeddings(fingerprint string, dim int, items, pictures []int64) (rows []float32, statuses []Status, err error) {
	_, f, err := spaceName(fingerprint)
	if err != nil {
		return nil, nil, err
	}
	if pictures != nil {
		if err := same(len(items), "Embeddings", len(pictures)); err != nil {
			return nil, nil, err
		}
	}
	if fingerprint == "" {
		info, err := s.Info()
		if err != nil {
			return nil, nil, err
		}
		if info.Dim != dim {
			return nil, nil, &Error{Status: Mismatch, Message: "the default space has another dim: Info().Dim tells it"}
		}
	}
	rows, statuses = make([]float32, len(items)*dim), make([]Status, len(items))
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_get_embeddings(s, f, i64(items), i64(pictures), C.size_t(len(items)), f32(rows), stat(statuses), e)
	})
	return rows, statuses, err
}

// ScoredValue is one label of an item.
type ScoredValue struct {
	Value string
	Score float32
}

// Labels of an item in a field, by falling score.
func (s *Store) Labels(item int64, field string) ([]ScoredValue, error) {
	f, err := text(field)
	if err != nil {
		return nil, err
	}
	var found []ScoredValue
	for {
		var score C.float
		value, err := s.text(func(s *C.recsys_store, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
			return C.recsys_store_get_label(s, C.int64_t(item), chars(f), C.uint32_t(len(found)), b, n, l, &score, e)
		})
		if e, ok := err.(*Error); ok && e.Status == NotFound {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, ScoredValue{value, float32(score)})
	}
}

// Number of an item; NotFound where it has none.
func (s *Store) Number(item int64, field string) (value float64, err error) {
	f, err := text(field)
	if err != nil {
		return 0, err
	}
	err = s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_get_number(s, C.int64_t(item), chars(f), (*C.double)(unsafe.Pointer(&value)), e)
	})
	return value, err
}

// Text of an item; NotFound where it has none.
func (s *Store) Text(item int64, field string) (string, error) {
	f, err := text(field)
	if err != nil {
		return "", err
	}
	return s.text(func(s *C.recsys_store, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_get_text(s, C.int64_t(item), chars(f), b, n, l, e)
	})
}

// Rating is one of a user's.
type Rating struct {
	Item  int64
	Value float32
	Time  int64
}

// Ratings of a user, by rising item.
func (s *Store) Ratings(user int64) ([]Rating, error) {
	const page = 4096
	var all []Rating
	items, values, times := make([]int64, page), make([]float32, page), make([]int64, page)
	for after := int64(-1); ; after = items[page-1] {
		var count C.size_t
		if err := s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
			return C.recsys_store_get_ratings(s, C.int64_t(user), C.int64_t(after), i64(items), f32(values), i64(times), page, &count, e)
		}); err != nil {
			return nil, err
		}
		for i := 0; i < int(count); i++ {
			all = append(all, Rating{items[i], values[i], times[i]})
		}
		if count < page {
			return all, nil
		}
	}
}

// Event is one of a user's.
type Event struct{ Item, Time int64 }

// Events of a user, by rising time.
func (s *Store) Events(user int64) ([]Event, error) {
	const page = 4096
	var all []Event
	items, times := make([]int64, page), make([]int64, page)
	for {
		var count C.size_t
		if err := s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
			return C.recsys_store_get_events(s, C.int64_t(user), C.size_t(len(all)), i64(items), i64(times), page, &count, e)
		}); err != nil {
			return nil, err
		}
		for i := 0; i < int(count); i++ {
			all = append(all, Event{items[i], times[i]})
		}
		if count < page {
			return all, nil
		}
	}
}

// -- upkeep

// Refresh takes in what other processes have changed since.
func (s *Store) Refresh() error {
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status { return C.recsys_store_refresh(s, e) })
}

// Check verifies the whole store: the report, one finding per line; Format when something is wrong.
func (s *Store) Check() (string, error) {
	return s.text(func(s *C.recsys_store, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_check(s, b, n, l, e)
	})
}

// Export writes a complete copy that any SQLite tool may open.
func (s *Store) Export(path string) error {
	t, err := text(path)
	if err != nil {
		return err
	}
	return s.call(func(s *C.recsys_store, e *C.recsys_error) C.recsys_status {
		return C.recsys_store_export(s, chars(t), e)
	})
}
