package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"recsys"
)

// picture is a PNG with a bright square at x, y.
func picture(x, y int) []byte {
	img := image.NewGray(image.Rect(0, 0, 64, 64))
	for j := 0; j < 16; j++ {
		for i := 0; i < 16; i++ {
			img.SetGray(x+i, y+j, color.Gray{250})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func openModel(t *testing.T) *recsys.Model {
	m, err := recsys.CreateModel("mini", &recsys.ModelOptions{Seed: 2, Precision: recsys.PrecisionFloat32})
	if errors.Is(err, recsys.NoEngine) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// fill stores 12 items of two kinds with pictures, and three shoppers.
func fill(t *testing.T, store *recsys.Store, m *recsys.Model) {
	info, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 12; i++ {
		rows, _, err := m.Embed(context.Background(), []recsys.Image{{Data: picture(i%4*12, i/4*12)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := store.Resolve(recsys.Items, []string{fmt.Sprintf("item/%d", i)}, true)
		if err == nil {
			err = store.PutEmbeddings(info.Fingerprint, info.Dim, ids, nil, rows)
		}
		if err == nil {
			err = store.PutLabels(ids, []string{"kind"}, []string{[]string{"shoe", "bag"}[i%2]}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	users, err := store.Resolve(recsys.Users, []string{"ada", "bob", "eve"}, true)
	if err == nil {
		_, err = store.PutRatings([]int64{users[0], users[0], users[1], users[2]}, []int64{1, 2, 1, 5}, []float32{5, 4, 5, 3}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T) *httptest.Server {
	m := openModel(t)
	store, err := recsys.OpenStore(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	fill(t, store, m)
	s, err := newService(context.Background(), store, m, "visual")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.handler())
	t.Cleanup(func() { server.Close(); s.close() })
	return server
}

type told struct {
	Items   []entry
	Popular bool
	Error   string
	Item    string
}

func ask(t *testing.T, code int, method, url, kind string, body []byte) (a told) {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != code || (code >= 400) != (a.Error != "") {
		t.Errorf("%s %s: %d instead of %d: %+v", method, url, response.StatusCode, code, a)
	}
	return a
}

func form(t *testing.T, key string, labels []string, data []byte) (string, []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("key", key); err != nil {
		t.Fatal(err)
	}
	for _, label := range labels {
		if err := w.WriteField("label", label); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("image", "x.png")
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestLists(t *testing.T) {
	url := start(t).URL
	a := ask(t, 200, "GET", url+"/v1/items/item%2F3/similar?k=4", "", nil)
	if len(a.Items) != 4 || a.Items[0].Score < a.Items[3].Score || a.Items[0].Item == "item/3" {
		t.Errorf("%+v", a)
	}
	for _, e := range ask(t, 200, "GET", url+"/v1/items/item%2F3/similar?where=kind%3Dbag&min_similarity=-1", "", nil).Items {
		if !regexp.MustCompile(`^item/\d*[13579]$`).MatchString(e.Item) {
			t.Errorf("%s is no bag", e.Item)
		}
	}
	a = ask(t, 200, "GET", url+"/v1/users/bob/recommendations?k=3", "", nil)
	if len(a.Items) != 3 || a.Items[0].Because == nil || a.Items[0].Because.Item != "item/0" {
		t.Errorf("%+v", a)
	}
	body := []byte(`{"history": [{"item": "item/0", "rating": 5}, {"item": "gone", "rating": 1}], "k": 3}`)
	b := ask(t, 200, "POST", url+"/v1/recommendations", "application/json", body)
	if len(b.Items) != 3 || b.Items[0].Item != a.Items[0].Item {
		t.Errorf("the same history gives %+v and %+v", a, b)
	}
	if nobody := ask(t, 200, "POST", url+"/v1/recommendations", "application/json", []byte(`{}`)); !nobody.Popular {
		t.Errorf("%+v", nobody)
	}
	c := ask(t, 200, "POST", url+"/v1/search?k=1", "image/png", picture(12, 0))
	if len(c.Items) != 1 || c.Items[0].Item != "item/1" || c.Items[0].Score < 0.999 {
		t.Errorf("%+v", c)
	}
}

func TestMistakes(t *testing.T) {
	url := start(t).URL
	for _, m := range []struct {
		code               int
		method, path, body string
	}{
		{404, "GET", "/v1/items/nosuch/similar", ""}, {404, "GET", "/v1/users/nosuch/recommendations", ""},
		{404, "GET", "/v2", ""}, {404, "DELETE", "/v1/items", ""},
		{400, "GET", "/v1/items/item%2F1/similar?k=0", ""}, {400, "GET", "/v1/items/item%2F1/similar?k=1e9", ""},
		{400, "GET", "/v1/items/item%2F1/similar?where=kind", ""}, {400, "GET", "/v1/items/item%2F1/similar?min_similarity=NaN", ""},
		{400, "GET", "/v1/items/a%00b/similar", ""},
		{400, "POST", "/v1/recommendations", "no json"}, {400, "POST", "/v1/recommendations", `{"nosuch": 1}`},
		{400, "POST", "/v1/recommendations", `{"history": [{"item": "item/1", "rating": 1}, {"item": "item/2"}]}`},
		{400, "POST", "/v1/recommendations", `{"k": 1000}`}, {413, "POST", "/v1/recommendations", `{"history": [` + strings.Repeat(" ", 2<<20)},
		{400, "POST", "/v1/search", ""}, {415, "POST", "/v1/search", "no picture"}, {400, "POST", "/v1/items", "no form"},
		{413, "POST", "/v1/search", strings.Repeat("x", mostPicture+1)},
	} {
		ask(t, m.code, m.method, url+m.path, "text/plain", []byte(m.body))
	}
}

func TestANewItemIsRecommendedAtOnce(t *testing.T) {
	url := start(t).URL
	kind, body := form(t, "new one", []string{"kind=shoe", "colour=red"}, picture(1, 0))
	if a := ask(t, 201, "POST", url+"/v1/items", kind, body); a.Item != "new one" {
		t.Errorf("%+v", a)
	}
	if a := ask(t, 200, "GET", url+"/v1/users/bob/recommendations?k=1", "", nil); a.Items[0].Item != "new one" {
		t.Errorf("%+v", a)
	}
	kind, body = form(t, "broken", nil, []byte("no picture"))
	ask(t, 415, "POST", url+"/v1/items", kind, body)
	ask(t, 404, "GET", url+"/v1/items/broken/similar", "", nil) // it left nothing
	kind, body = form(t, "", nil, picture(1, 1))
	ask(t, 400, "POST", url+"/v1/items", kind, body)
	kind, body = form(t, "x", []string{"nolabel"}, picture(1, 1))
	ask(t, 400, "POST", url+"/v1/items", kind, body)
}

func TestHealthAndMetrics(t *testing.T) {
	url := start(t).URL
	ask(t, 404, "GET", url+"/v1/items/nosuch/similar", "", nil)
	ask(t, 200, "GET", url+"/v1/items/item%2F1/similar", "", nil)
	for path, part := range map[string]string{"/healthz": `"items":12`, "/openapi.yaml": "openapi: 3",
		"/metrics": `recsys_requests_total{route="similar",code="404"} 1`} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_, _ = b.ReadFrom(response.Body)
		response.Body.Close()
		if response.StatusCode != 200 || !strings.Contains(b.String(), part) {
			t.Errorf("%s: %d %s", path, response.StatusCode, b.String())
		}
		if path == "/metrics" && !strings.Contains(b.String(), `recsys_request_seconds_count{route="similar"} 2`) {
			t.Error(b.String())
		}
	}
}

// Every route of the code is in the description, and the other way.
func TestOpenAPI(t *testing.T) {
	source, err := os.ReadFile("service.go")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	var path string
	for _, line := range strings.Split(string(openapi), "\n") {
		if m := regexp.MustCompile(`^  (/\S*):$`).FindStringSubmatch(line); m != nil {
			path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(m[1], "*")
		} else if m := regexp.MustCompile(`^    (get|post|put|delete):$`).FindStringSubmatch(line); m != nil {
			described[strings.ToUpper(m[1])+" "+path] = true
		}
	}
	coded := map[string]bool{"GET /metrics": true}
	for _, m := range regexp.MustCompile(`case is\((.*)\):`).FindAllStringSubmatch(string(source), -1) {
		words := regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(m[1], -1)
		name := words[0][1] + " "
		for _, word := range words[1:] {
			name += "/" + word[1]
		}
		coded[name] = true
	}
	if len(coded) < 7 || fmt.Sprint(coded) != fmt.Sprint(described) {
		t.Errorf("%v\n%v", coded, described)
	}
}

// The program itself: it answers, lets a request under way end after a signal, and then ends.
func TestProgramStopsInGoodOrder(t *testing.T) {
	m := openModel(t)
	folder := t.TempDir()
	store, err := recsys.OpenStore(filepath.Join(folder, "s.recsys"), nil)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, store, m)
	store.Close()
	program := filepath.Join(folder, "service")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	command := exec.Command(program, "-store", filepath.Join(folder, "s.recsys"), "-listen", "127.0.0.1:0", "-algorithm", "visual")
	told, err := command.StderrPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill() }()
	buffer, n := make([]byte, 4096), 0
	var url string
	for url == "" {
		read, err := told.Read(buffer[n:])
		if err != nil {
			t.Fatalf("%v %s", err, buffer[:n])
		}
		n += read
		url = string(regexp.MustCompile(`http://\S+`).Find(buffer[:n]))
	}
	if a := ask(t, 200, "GET", url+"/v1/users/bob/recommendations?k=2", "", nil); len(a.Items) != 2 {
		t.Errorf("%+v", a)
	}
	ask(t, 501, "POST", url+"/v1/search", "image/png", picture(0, 0))
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the program goes on after SIGTERM")
	}
}
