package recsys

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
)

func net(t testing.TB, o ModelOptions) *Model {
	o.Seed, o.Precision = 4, PrecisionFloat32
	m, err := CreateModel("mini", &o)
	if errors.Is(err, NoEngine) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(m.Close)
	return m
}

func greys(n int) (images []Image) {
	for i := 0; i < n; i++ {
		pixels := make([]byte, 40*30)
		for k := range pixels {
			pixels[k] = byte(20*i + k/30)
		}
		images = append(images, Image{Pixels: pixels, Format: Gray, Width: 30, Height: 40})
	}
	return images
}

func TestModel(t *testing.T) {
	ctx := context.Background()
	here, isolated := net(t, ModelOptions{}), net(t, ModelOptions{Isolation: true})
	info, err := here.Info()
	check(t, err)
	seen := uint64(0)
	rows, statuses, err := here.Embed(ctx, greys(5), func(phase string, done, total uint64) { seen = done })
	check(t, err)
	if len(rows) != 5*info.Dim || len(statuses) != 5 || seen != 5 || info.Layer != "grid" {
		t.Errorf("%d floats, %d told, %+v", len(rows), seen, info)
	}
	same, _, err := isolated.Embed(ctx, greys(5), nil)
	check(t, err)
	if !reflect.DeepEqual(rows, same) {
		t.Error("the isolated engine gives other rows")
	}
	broken := append(greys(1), Image{Path: "/nonexistent.jpg"}, Image{Data: []byte("no picture")})
	few, statuses, err := here.Embed(ctx, broken, nil)
	expectStatus(t, err, Partial, "")
	if statuses[0] != OK || statuses[1] != NotFound || statuses[2] != Format || !reflect.DeepEqual(few[:info.Dim], rows[:info.Dim]) {
		t.Errorf("%v", statuses)
	}
	scores, _, err := here.Classify(ctx, greys(2), nil)
	if err != nil || len(scores) != 2*info.Classes {
		t.Errorf("%v, %d scores", err, len(scores))
	}
	cancelled, cancel := context.WithCancel(ctx)
	_, _, err = here.Embed(cancelled, greys(40), func(string, uint64, uint64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := OpenModel("/nonexistent", nil); !errors.Is(err, NotFound) {
		t.Errorf("%v", err)
	}
	both, err := CombineModels([]*Model{here, isolated}, []float64{1, 3})
	check(t, err)
	defer both.Close()
	if joined, err := both.Info(); err != nil || joined.Dim != 2*info.Dim {
		t.Errorf("%v %v", joined, err)
	}
	if text, err := here.Describe(); err != nil || !json.Valid(text) {
		t.Errorf("%v", err)
	}
}

func TestTraining(t *testing.T) {
	ctx, m := context.Background(), net(t, ModelOptions{})
	var pictures []Image
	var matrix []int8
	for i := 0; i < 60; i++ {
		bright := int8(i % 2)
		pixels := make([]byte, 1600)
		for k := range pixels {
			pixels[k] = byte(30 + 180*int(bright) + (7*i)%30)
		}
		pictures = append(pictures, Image{Pixels: pixels, Format: Gray, Width: 40, Height: 40})
		matrix = append(matrix, 1-bright, bright)
	}
	labels := []Label{{"light", "dark", true}, {"light", "bright", true}}
	path := filepath.Join(t.TempDir(), "trained")
	phases := map[string]bool{}
	o := &TrainOptions{Epochs: 5, Hidden: 16, Optimiser: AdamW, Progress: func(now TrainProgress) { phases[now.Phase] = true }}
	_, err := m.Train(ctx, path, pictures, labels, matrix, o)
	check(t, err)
	if !phases["features"] || !phases["head"] {
		t.Errorf("%v", phases)
	}
	_, err = m.Train(ctx, path, pictures, labels, matrix[1:], o)
	expectStatus(t, err, Invalid, "matrix")
	trained, err := OpenModel(path, nil)
	check(t, err)
	defer trained.Close()
	name, err := trained.ClassName(1)
	check(t, err)
	field, exclusive, err := trained.ClassField(1)
	check(t, err)
	measured, err := trained.Evaluate(ctx, pictures, matrix)
	check(t, err)
	kept, err := trained.Metrics()
	check(t, err)
	if name != "bright" || field != "light" || !exclusive || measured.Macro.F1 != 1 || len(kept.Labels) != 2 {
		t.Errorf("%s %s %v %+v %+v", name, field, exclusive, measured, kept)
	}
	if report, err := trained.Report(); err != nil || !json.Valid(report) {
		t.Errorf("%v", err)
	}
	check(t, trained.Save(path+".copy"))
	_, err = m.Distill(ctx, trained, path+".taught", pictures[:20], &TrainOptions{Epochs: 1})
	check(t, err)
}

func TestQuantize(t *testing.T) {
	ctx, m := context.Background(), net(t, ModelOptions{})
	var pictures []Image
	for i := 0; i < 12; i++ {
		pixels := make([]byte, 1600)
		for k := range pixels {
			pixels[k] = byte(k*(i+3)%251 + i)
		}
		pictures = append(pictures, Image{Pixels: pixels, Format: Gray, Width: 40, Height: 40})
	}
	path := filepath.Join(t.TempDir(), "int8")
	_, _, err := m.Quantize(ctx, path, pictures[:1], nil)
	expectStatus(t, err, Invalid, "2 pictures")
	pictures = append(pictures, Image{Data: []byte("no picture")})
	phases := map[string]bool{}
	report, statuses, err := m.Quantize(ctx, path, pictures, &QuantizeOptions{Calibrate: 4,
		Progress: func(phase string, done, total uint64) { phases[phase] = true }})
	var e *Error
	if errors.As(err, &e) && (e.Status == Unsupported || e.Status == NoEngine) {
		t.Skip(e.Message)
	}
	expectStatus(t, err, Partial, "picture 12")
	if report.Calibrated != 4 || report.Compared != 8 || report.Cosine < 0.99 || statuses[12] >= 0 || !phases["compare"] {
		t.Errorf("%+v %v %v", report, statuses, phases)
	}
	narrow, err := OpenModel(path, nil)
	check(t, err)
	defer narrow.Close()
	info, err := narrow.Info()
	check(t, err)
	if info.Precision != PrecisionInt8 {
		t.Errorf("%+v", info)
	}
	_, err = OpenModel(path, &ModelOptions{Precision: 9})
	expectStatus(t, err, Unsupported, "int8")
}
