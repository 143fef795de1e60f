package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"recsys"
)

const (
	mostPicture = 16 << 20 // bytes
	mostBody    = 1 << 20
	mostEntries = 200
	mostHistory = 10000
)

//go:embed openapi.yaml
var openapi []byte

// service answers requests. Everything in it may be used by many requests at once.
type service struct {
	store   *recsys.Store
	model   *recsys.Model // nil: no pictures
	info    recsys.ModelInfo
	ranker  *recsys.Ranker
	metrics metrics
	adding  sync.Mutex // refreshing the ranker: one at a time
}

func newService(ctx context.Context, store *recsys.Store, model *recsys.Model, algorithm string) (*service, error) {
	s := &service{store: store, model: model}
	var err error
	if model != nil {
		if s.info, err = model.Info(); err != nil {
			return nil, err
		}
	}
	if s.ranker, err = recsys.NewRanker(store, algorithm, nil); err != nil {
		return nil, err
	}
	if err = s.ranker.Fit(ctx, nil); err != nil {
		s.ranker.Close()
		return nil, err
	}
	return s, nil
}

func (s *service) close() { s.ranker.Close() }

// -- answers

// problem is an error with its HTTP status.
type problem struct {
	code    int
	message string
}

func (p *problem) Error() string { return p.message }

func wrong(message string) error { return &problem{http.StatusBadRequest, message} }

// codeOf says which HTTP status an error is.
func codeOf(err error) int {
	var p *problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p.code
	case errors.As(err, &tooLarge), errors.Is(err, recsys.Limit):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, recsys.NotFound), errors.Is(err, recsys.Partial):
		return http.StatusNotFound
	case errors.Is(err, recsys.Format), errors.Is(err, recsys.Unsupported):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, recsys.Invalid), errors.Is(err, recsys.Mismatch):
		return http.StatusBadRequest
	case errors.Is(err, context.Canceled), errors.Is(err, recsys.Cancelled):
		return 499 // the client has gone
	case errors.Is(err, recsys.Busy), errors.Is(err, recsys.Engine), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

type entry struct {
	Item    string  `json:"item"`
	Score   float64 `json:"score"`
	Because *reason `json:"because,omitempty"`
}

type reason struct {
	Item         string  `json:"item"`
	Contribution float64 `json:"contribution"`
}

type answer struct {
	Items   []entry `json:"items"`
	Popular bool    `json:"popular,omitempty"` // places that nothing personal could fill hold popular items
}

func (s *service) answer(list []recsys.Entry, why func(item int64) (recsys.Explanation, error)) (*answer, error) {
	a := &answer{Items: []entry{}}
	for _, place := range list {
		key, err := s.store.Key(recsys.Items, place.Item)
		if err != nil {
			return nil, err
		}
		e := entry{Item: key, Score: place.Score}
		if why != nil {
			told, err := why(place.Item)
			if err != nil {
				return nil, err
			}
			if len(told.Reasons) > 0 && told.Reasons[0].Item >= 0 {
				if key, err = s.store.Key(recsys.Items, told.Reasons[0].Item); err == nil {
					e.Because = &reason{key, told.Reasons[0].Contribution}
				}
			}
		}
		a.Items = append(a.Items, e)
	}
	return a, nil
}

// -- what is asked for

func (s *service) id(kind recsys.Kind, key string) (int64, error) {
	ids, err := s.store.Resolve(kind, []string{key}, false)
	if errors.Is(err, recsys.Partial) {
		return 0, &problem{http.StatusNotFound, map[recsys.Kind]string{recsys.Items: "item ", recsys.Users: "user "}[kind] + strconv.Quote(key) + " is not known"}
	}
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

func readK(q url.Values) (int, error) {
	if !q.Has("k") {
		return 10, nil
	}
	k, err := strconv.Atoi(q.Get("k"))
	if err != nil || k < 1 || k > mostEntries {
		return 0, wrong("k is a number from 1 to " + strconv.Itoa(mostEntries))
	}
	return k, nil
}

// readFilter reads where=field=a|b (any of the values; repeated: all conditions) and min_similarity.
func readFilter(q url.Values) (*recsys.Filter, error) {
	f := &recsys.Filter{}
	for _, condition := range q["where"] {
		field, values, found := strings.Cut(condition, "=")
		if !found || field == "" || values == "" {
			return nil, wrong("where is field=value, or field=value|value")
		}
		f.Clauses = append(f.Clauses, recsys.Any(field, strings.Split(values, "|")...))
	}
	if text := q.Get("min_similarity"); text != "" {
		least, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(least) || least < -1 || least > 1 {
			return nil, wrong("min_similarity is a number from -1 to 1")
		}
		f.MinSimilarity = &least
	}
	return f, nil
}

// readList reads how long a list is to be, and what may be in it.
func readList(q url.Values) (int, *recsys.Filter, error) {
	k, err := readK(q)
	if err != nil {
		return 0, nil, err
	}
	filter, err := readFilter(q)
	return k, filter, err
}

// -- the calls

func (s *service) similar(r *http.Request, key string) (any, error) {
	k, filter, err := readList(r.URL.Query())
	if err != nil {
		return nil, err
	}
	item, err := s.id(recsys.Items, key)
	if err != nil {
		return nil, err
	}
	lists, err := s.store.Similar([]int64{item}, k, &recsys.SearchOptions{Filter: filter})
	if errors.Is(err, recsys.Partial) {
		return nil, &problem{http.StatusNotFound, "item " + strconv.Quote(key) + " has no picture"}
	}
	if err != nil {
		return nil, err
	}
	return s.answer(lists.List(0), nil)
}

func (s *service) recommend(r *http.Request, key string) (any, error) {
	k, filter, err := readList(r.URL.Query())
	if err != nil {
		return nil, err
	}
	user, err := s.id(recsys.Users, key)
	if err != nil {
		return nil, err
	}
	options := &recsys.RecommendOptions{Filter: filter}
	lists, err := s.ranker.Recommend(r.Context(), []int64{user}, k, options)
	if err != nil {
		return nil, err
	}
	a, err := s.answer(lists.List(0), func(item int64) (recsys.Explanation, error) { return s.ranker.Explain(user, item, 1, nil) })
	if err == nil {
		a.Popular = lists.Statuses[0] == recsys.NoteFallbackPopular
	}
	return a, err
}

type historyEntry struct {
	Item   string   `json:"item"`
	Rating *float32 `json:"rating"`
	Time   *int64   `json:"time"`
}

type historyRequest struct {
	History []historyEntry `json:"history"`
	K       int            `json:"k"`
	Where   []string       `json:"where"`
}

// readHistory: items that the store does not know are left out; either all have ratings (times), or none.
func (s *service) readHistory(entries []historyEntry) (h recsys.History, err error) {
	if len(entries) > mostHistory {
		return h, wrong("a history has at most " + strconv.Itoa(mostHistory) + " entries")
	}
	keys := make([]string, len(entries))
	for i := range entries {
		keys[i] = entries[i].Item
		if (entries[i].Rating == nil) != (entries[0].Rating == nil) || (entries[i].Time == nil) != (entries[0].Time == nil) {
			return h, wrong("either all entries of a history have ratings (times), or none")
		}
	}
	ids, err := s.store.Resolve(recsys.Items, keys, false)
	if err != nil && !errors.Is(err, recsys.Partial) {
		return h, err
	}
	for i, id := range ids {
		if id < 0 {
			continue
		}
		h.Items = append(h.Items, id)
		if entries[i].Rating != nil {
			h.Ratings = append(h.Ratings, *entries[i].Rating)
		}
		if entries[i].Time != nil {
			h.Times = append(h.Times, *entries[i].Time)
		}
	}
	return h, nil
}

func (s *service) recommendFrom(r *http.Request) (any, error) {
	var asked historyRequest
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, mostBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, err
		}
		return nil, wrong("the body is no request as openapi.yaml has it: " + err.Error())
	}
	q := url.Values{"where": asked.Where}
	if asked.K != 0 {
		q.Set("k", strconv.Itoa(asked.K))
	}
	k, filter, err := readList(q)
	if err != nil {
		return nil, err
	}
	h, err := s.readHistory(asked.History)
	if err != nil {
		return nil, err
	}
	lists, err := s.ranker.RecommendFrom(r.Context(), []recsys.History{h}, k, &recsys.RecommendOptions{Filter: filter})
	if err != nil {
		return nil, err
	}
	a, err := s.answer(lists.List(0), func(item int64) (recsys.Explanation, error) {
		if len(h.Items) == 0 {
			return recsys.Explanation{}, nil
		}
		return s.ranker.ExplainFrom(h, item, 1, nil)
	})
	if err == nil {
		a.Popular = lists.Statuses[0] == recsys.NoteFallbackPopular
	}
	return a, err
}

// embed gives the row of an encoded picture.
func (s *service) embed(ctx context.Context, picture []byte) ([]float32, error) {
	if s.model == nil {
		return nil, &problem{http.StatusNotImplemented, "this service was started without -model, so it takes no pictures"}
	}
	if len(picture) == 0 {
		return nil, wrong("there is no picture in the request")
	}
	row, statuses, err := s.model.Embed(ctx, []recsys.Image{{Data: picture}}, nil)
	var e *recsys.Error
	if errors.Is(err, recsys.Partial) && errors.As(err, &e) {
		return nil, &recsys.Error{Status: statuses[0], Message: e.Message} // of the one picture
	}
	return row, err
}

func (s *service) search(r *http.Request) (any, error) {
	k, filter, err := readList(r.URL.Query())
	if err != nil {
		return nil, err
	}
	picture, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, mostPicture))
	if err != nil {
		return nil, err
	}
	row, err := s.embed(r.Context(), picture)
	if err != nil {
		return nil, err
	}
	lists, err := s.store.Search(row, s.info.Dim, k, &recsys.SearchOptions{Filter: filter, Fingerprint: s.info.Fingerprint})
	if err != nil {
		return nil, err
	}
	return s.answer(lists.List(0), nil)
}

// formFile reads one file of a form whole.
func formFile(headers []*multipart.FileHeader) ([]byte, error) {
	if len(headers) == 0 {
		return nil, nil
	}
	file, err := headers[0].Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// addItem takes a form: key, image (a file), and any number of label (field=value). The picture is looked at before
// anything is stored, so that a broken one leaves nothing.
func (s *service) addItem(r *http.Request) (any, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, mostPicture)
	if err := r.ParseMultipartForm(mostPicture); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, err
		}
		return nil, wrong("the body is no form: " + err.Error())
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	key := r.FormValue("key")
	if key == "" || len(key) > 1024 {
		return nil, wrong("key is missing, or longer than 1024 bytes")
	}
	var fields, values []string
	for _, label := range r.MultipartForm.Value["label"] {
		field, value, found := strings.Cut(label, "=")
		if !found || field == "" || value == "" {
			return nil, wrong("label is field=value")
		}
		fields, values = append(fields, field), append(values, value)
	}
	picture, err := formFile(r.MultipartForm.File["image"])
	if err != nil {
		return nil, err
	}
	row, err := s.embed(r.Context(), picture)
	if err != nil {
		return nil, err
	}
	ids, err := s.store.Resolve(recsys.Items, []string{key}, true)
	if err != nil {
		return nil, err
	}
	if err := s.store.PutEmbeddings(s.info.Fingerprint, s.info.Dim, ids, nil, row); err != nil {
		return nil, err
	}
	items := make([]int64, len(fields))
	for i := range items {
		items[i] = ids[0]
	}
	if len(items) > 0 {
		if err := s.store.PutLabels(items, fields, values, nil); err != nil {
			return nil, err
		}
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	if err := s.ranker.Refresh(r.Context(), nil); err != nil {
		return nil, err
	}
	return map[string]string{"item": key}, nil
}

func (s *service) health(*http.Request) (any, error) {
	info, err := s.store.Info()
	if err != nil {
		return nil, &problem{http.StatusServiceUnavailable, err.Error()}
	}
	return map[string]any{"status": "ok", "items": info.Items, "users": info.Users, "library": recsys.LibraryVersion()}, nil
}

// -- routes

func write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("an answer could not be sent: %v", err)
	}
}

// route gives the name of a request's route and what answers it.
func (s *service) route(r *http.Request) (string, func(*http.Request) (any, error)) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range parts {
		if plain, err := url.PathUnescape(parts[i]); err == nil {
			parts[i] = plain
		}
	}
	is := func(method string, names ...string) bool {
		if r.Method != method || len(parts) != len(names) {
			return false
		}
		for i, name := range names {
			if name != "*" && parts[i] != name {
				return false
			}
		}
		return true
	}
	switch {
	case is("GET", "v1", "items", "*", "similar"):
		return "similar", func(r *http.Request) (any, error) { return s.similar(r, parts[2]) }
	case is("GET", "v1", "users", "*", "recommendations"):
		return "recommend", func(r *http.Request) (any, error) { return s.recommend(r, parts[2]) }
	case is("POST", "v1", "recommendations"):
		return "recommend_from", s.recommendFrom
	case is("POST", "v1", "search"):
		return "search", s.search
	case is("POST", "v1", "items"):
		return "add_item", s.addItem
	case is("GET", "healthz"):
		return "health", s.health
	}
	return "unknown", func(r *http.Request) (any, error) {
		return nil, &problem{http.StatusNotFound, r.Method + " " + r.URL.Path + " is not offered: see /openapi.yaml"}
	}
}

func (s *service) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" && r.URL.Path == "/metrics" {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			s.metrics.write(w)
			return
		}
		if r.Method == "GET" && r.URL.Path == "/openapi.yaml" {
			w.Header().Set("Content-Type", "application/yaml")
			_, _ = w.Write(openapi)
			return
		}
		name, call := s.route(r)
		start := time.Now()
		body, err := call(r)
		code := http.StatusOK
		if err != nil {
			code = codeOf(err)
			body = map[string]string{"error": err.Error()}
			if code >= 500 {
				log.Printf("%s: %v", name, err)
			}
		} else if name == "add_item" {
			code = http.StatusCreated
		}
		s.metrics.add(name, code, time.Since(start))
		write(w, code, body)
	})
}
