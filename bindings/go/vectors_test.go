package recsys

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// The answers of tests/vectors/vectors.json, which every language must give.

type vectorCase struct {
	Call, Metric, Ranker string
	Items, Users         []string
	Queries              [][]float32
	Histories            [][][2]any
	K                    int
	Filter               struct {
		Any, All, None map[string][]string
		Range          map[string][2]float64
		Allow, Deny    *[]string
		MinSimilarity  *float64 `json:"min_similarity"`
		MaxDistance    *float64 `json:"max_distance"`
	}
	Expect [][][2]any
}

type vectors struct {
	Fingerprint string
	Dim         int
	Items       []struct {
		Key, Kind string
		Row       []float32
		Colours   []string
		Price     float64
	}
	Ratings [][3]any
	Cases   []vectorCase
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readVectors(t testing.TB) (v vectors) {
	data, err := os.ReadFile("../../tests/vectors/vectors.json")
	check(t, err)
	check(t, json.Unmarshal(data, &v))
	return v
}

func vectorStore(t testing.TB, v vectors) *Store {
	s, err := OpenStore(":memory:", nil)
	check(t, err)
	t.Cleanup(s.Close)
	for _, item := range v.Items {
		ids, err := s.Resolve(Items, []string{item.Key}, true)
		check(t, err)
		check(t, s.PutEmbeddings(v.Fingerprint, v.Dim, ids, nil, item.Row))
		check(t, s.PutLabels(ids, []string{"kind"}, []string{item.Kind}, nil))
		check(t, s.PutNumbers(ids, []string{"price"}, []float64{item.Price}))
		for _, colour := range item.Colours {
			check(t, s.PutLabels(ids, []string{"colour"}, []string{colour}, nil))
		}
	}
	for _, r := range v.Ratings {
		users, err := s.Resolve(Users, []string{r[0].(string)}, true)
		check(t, err)
		items, err := s.Resolve(Items, []string{r[1].(string)}, false)
		check(t, err)
		_, err = s.PutRatings(users, items, []float32{float32(r[2].(float64))}, nil)
		check(t, err)
	}
	return s
}

func (c *vectorCase) filter(t testing.TB, s *Store) *Filter {
	f := &Filter{MinSimilarity: c.Filter.MinSimilarity, MaxDistance: c.Filter.MaxDistance}
	for field, values := range c.Filter.Any {
		f.Clauses = append(f.Clauses, Any(field, values...))
	}
	for field, values := range c.Filter.All {
		f.Clauses = append(f.Clauses, All(field, values...))
	}
	for field, values := range c.Filter.None {
		f.Clauses = append(f.Clauses, None(field, values...))
	}
	for field, limits := range c.Filter.Range {
		f.Clauses = append(f.Clauses, Range(field, limits[0], limits[1]))
	}
	for _, list := range []struct {
		keys *[]string
		ids  *[]int64
	}{{c.Filter.Allow, &f.Allow}, {c.Filter.Deny, &f.Deny}} {
		if list.keys != nil {
			ids, err := s.Resolve(Items, *list.keys, false)
			check(t, err)
			*list.ids = ids
		}
	}
	return f
}

func (c *vectorCase) run(t testing.TB, s *Store, dim int) *Lists {
	ctx := context.Background()
	metric := Cosine
	if c.Metric == "euclidean" {
		metric = Euclidean
	}
	if c.Call == "similar" {
		items, err := s.Resolve(Items, c.Items, false)
		check(t, err)
		lists, err := s.Similar(items, c.K, &SearchOptions{Metric: metric, Filter: c.filter(t, s)})
		check(t, err)
		return lists
	}
	if c.Call == "search" {
		var rows []float32
		for _, row := range c.Queries {
			rows = append(rows, row...)
		}
		lists, err := s.Search(rows, dim, c.K, &SearchOptions{Metric: metric, Filter: c.filter(t, s)})
		check(t, err)
		return lists
	}
	r, err := NewRanker(s, c.Ranker, nil)
	check(t, err)
	defer r.Close()
	check(t, r.Fit(ctx, nil))
	if c.Call == "recommend" {
		users, err := s.Resolve(Users, c.Users, false)
		check(t, err)
		lists, err := r.Recommend(ctx, users, c.K, nil)
		check(t, err)
		return lists
	}
	var histories []History
	for _, told := range c.Histories {
		var h History
		for _, entry := range told {
			ids, err := s.Resolve(Items, []string{entry[0].(string)}, false)
			check(t, err)
			h.Items = append(h.Items, ids[0])
			h.Ratings = append(h.Ratings, float32(entry[1].(float64)))
		}
		histories = append(histories, h)
	}
	lists, err := r.RecommendFrom(ctx, histories, c.K, nil)
	check(t, err)
	return lists
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	s := vectorStore(t, v)
	if len(v.Cases) < 19 {
		t.Fatalf("only %d cases", len(v.Cases))
	}
	for n := range v.Cases {
		c := &v.Cases[n]
		lists := c.run(t, s, v.Dim)
		if lists.Len() != len(c.Expect) {
			t.Fatalf("case %d: %d lists instead of %d", n, lists.Len(), len(c.Expect))
		}
		for i, wanted := range c.Expect {
			got := lists.List(i)
			if len(got) != len(wanted) {
				t.Fatalf("case %d, list %d: %v instead of %v", n, i, got, wanted)
			}
			for j, entry := range got {
				key, err := s.Key(Items, entry.Item)
				check(t, err)
				if key != wanted[j][0].(string) || math.Abs(entry.Score-wanted[j][1].(float64)) > 1e-6 {
					t.Errorf("case %d, list %d, place %d: %s %v instead of %v", n, i, j, key, entry.Score, wanted[j])
				}
			}
		}
	}
}
