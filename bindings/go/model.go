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

// Precision of a network.
const (
	PrecisionAuto     = C.RECSYS_PRECISION_AUTO
	PrecisionFloat32  = C.RECSYS_PRECISION_FLOAT32
	PrecisionBfloat16 = C.RECSYS_PRECISION_BFLOAT16
	PrecisionInt8     = C.RECSYS_PRECISION_INT8 // of a file that Quantize wrote
)

// Model is a network: pictures to embeddings and class scores. Close it.
type Model struct{ handle }

// ModelOptions: the zero value is every default.
type ModelOptions struct {
	Architecture, Layer, Recipe, Engine, EnginePath, Device string

	Precision      uint32 // PrecisionAuto, ...
	Threads        uint32
	Isolation      bool // the engine in a process of its own
	ScaledJPEG     bool // decode large JPEGs at a fraction: faster, the embedding changes slightly
	Direct         bool // no Winograd convolutions
	Seed           uint64
	Classes        uint64
	MaxFileBytes   uint64
	MaxPixels      uint64
	MaxDecodeBytes uint64
	MaxScans       uint32
}

func flag(set bool, bit uint64) uint64 {
	if set {
		return bit
	}
	return 0
}

func newModel(path []byte, architecture string, o *ModelOptions) (*Model, error) {
	if o == nil {
		o = &ModelOptions{}
	}
	if path != nil {
		architecture = o.Architecture
	}
	texts := make([][]byte, 0, 6)
	for _, s := range []string{architecture, o.Layer, o.Recipe, o.Engine, o.EnginePath, o.Device} {
		t, err := text(s)
		if err != nil {
			return nil, err
		}
		texts = append(texts, t)
	}
	numbers := []uint64{flag(o.ScaledJPEG, C.RECSYS_MODEL_SCALED_JPEG) | flag(o.Direct, C.RECSYS_MODEL_DIRECT), uint64(o.Precision), uint64(o.Threads),
		flag(o.Isolation, C.RECSYS_ISOLATION_PROCESS), o.Seed, o.Classes, o.MaxFileBytes, o.MaxPixels, o.MaxDecodeBytes,
		uint64(o.MaxScans)}
	var where *C.char
	if path != nil {
		where = chars(path)
	}
	var m *C.recsys_model
	var e C.recsys_error
	status := C.bridge_model(&m, where, chars(texts[0]), chars(texts[1]), chars(texts[2]), chars(texts[3]), chars(texts[4]),
		chars(texts[5]), u64(numbers), &e)
	return wrapModel(m, failure(status, &e))
}

func wrapModel(m *C.recsys_model, err error) (*Model, error) {
	if err != nil {
		return nil, err
	}
	model := &Model{}
	model.open(unsafe.Pointer(m), func(p unsafe.Pointer) { C.recsys_model_close((*C.recsys_model)(p)) })
	return model, nil
}

// OpenModel opens a safetensors file.
func OpenModel(path string, options *ModelOptions) (*Model, error) {
	p, err := text(path)
	if err != nil {
		return nil, err
	}
	return newModel(p, "", options)
}

// CreateModel makes a network of a known architecture with random weights from options.Seed.
func CreateModel(architecture string, options *ModelOptions) (*Model, error) {
	return newModel(nil, architecture, options)
}

// CombineModels makes an ensemble; weights nil: alike.
func CombineModels(parts []*Model, weights []float64) (*Model, error) {
	if weights != nil {
		if err := same(len(parts), "CombineModels", len(weights)); err != nil {
			return nil, err
		}
	}
	table := (*[1 << 20]*C.recsys_model)(C.calloc(C.size_t(len(parts)+1), C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(table))
	for i, part := range parts {
		p, err := part.enter()
		if err != nil {
			return nil, err
		}
		defer part.leave()
		table[i] = (*C.recsys_model)(p)
	}
	var m *C.recsys_model
	var e C.recsys_error
	status := C.recsys_model_combine(&m, &table[0], f64(weights), C.size_t(len(parts)), &e)
	return wrapModel(m, failure(status, &e))
}

// Close frees it, after calls under way have ended. Further calls return ErrClosed.
func (m *Model) Close() { m.close() }

// ModelInfo are the facts that one needs to size arrays.
type ModelInfo struct {
	Dim, Classes, Parameters                 int
	Trained                                  bool
	Precision                                uint32
	Fingerprint, Architecture, Layer, Recipe string
}

// Info tells sizes, layer and fingerprint.
func (m *Model) Info() (ModelInfo, error) {
	p, err := m.enter()
	if err != nil {
		return ModelInfo{}, err
	}
	defer m.leave()
	var i C.recsys_model_info
	var e C.recsys_error
	i.struct_size = C.uint32_t(unsafe.Sizeof(i))
	if err := failure(C.recsys_model_get_info((*C.recsys_model)(p), &i, &e), &e); err != nil {
		return ModelInfo{}, err
	}
	return ModelInfo{int(i.dim), int(i.classes), int(i.parameters), i.trained != 0, uint32(i.precision),
		C.GoString(&i.fingerprint[0]), C.GoString(&i.architecture[0]), C.GoString(&i.layer[0]), C.GoString(&i.recipe[0])}, nil
}

func (m *Model) text(call func(m *C.recsys_model, buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status) (string, error) {
	p, err := m.enter()
	if err != nil {
		return "", err
	}
	defer m.leave()
	return readText(func(buffer *C.char, size C.size_t, length *C.size_t, e *C.recsys_error) C.recsys_status {
		return call((*C.recsys_model)(p), buffer, size, length, e)
	})
}

// Describe tells everything about it, as JSON.
func (m *Model) Describe() (json.RawMessage, error) {
	s, err := m.text(func(m *C.recsys_model, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_model_describe(m, b, n, l, e)
	})
	return json.RawMessage(s), err
}

// Report tells how a trained model was trained, as JSON.
func (m *Model) Report() (json.RawMessage, error) {
	s, err := m.text(func(m *C.recsys_model, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_model_get_report(m, b, n, l, e)
	})
	return json.RawMessage(s), err
}

// ClassName is the name of a class; NotFound where the file has none.
func (m *Model) ClassName(index int) (string, error) {
	return m.text(func(m *C.recsys_model, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_model_get_class_name(m, C.uint64_t(index), b, n, l, e)
	})
}

// ClassField is the field of a class of a trained model, and whether a picture has exactly one label of it.
func (m *Model) ClassField(index int) (field string, exclusive bool, err error) {
	var x C.uint32_t
	field, err = m.text(func(m *C.recsys_model, b *C.char, n C.size_t, l *C.size_t, e *C.recsys_error) C.recsys_status {
		return C.recsys_model_get_class_field(m, C.uint64_t(index), b, n, l, &x, e)
	})
	return field, x != 0, err
}

// Save writes a complete model file; the file of that name is the old or the new one, whole.
func (m *Model) Save(path string) error {
	t, err := text(path)
	if err != nil {
		return err
	}
	p, err := m.enter()
	if err != nil {
		return err
	}
	defer m.leave()
	var e C.recsys_error
	return failure(C.recsys_model_save((*C.recsys_model)(p), chars(t), &e), &e)
}

// PixelFormat of Image.Pixels.
type PixelFormat uint32

// 8-bit pixels, top row first.
const (
	RGB  PixelFormat = C.RECSYS_PIXELS_RGB
	BGR  PixelFormat = C.RECSYS_PIXELS_BGR
	RGBA PixelFormat = C.RECSYS_PIXELS_RGBA
	BGRA PixelFormat = C.RECSYS_PIXELS_BGRA
	Gray PixelFormat = C.RECSYS_PIXELS_GRAY
)

// Image is one picture: a Path, an encoded JPEG or PNG (Data), or Pixels.
type Image struct {
	Path   string
	Data   []byte
	Pixels []byte
	Format PixelFormat // of Pixels
	Width  int
	Height int
	Stride int // bytes from row to row; 0: no gap

	CropX, CropY, CropWidth, CropHeight int // the part to use; all 0: the whole
}

// makeImages copies the pictures to C memory; free with bridge_free_images.
func makeImages(images []Image) (*C.recsys_image, error) {
	made := (*C.recsys_image)(C.calloc(C.size_t(len(images)+1), C.size_t(unsafe.Sizeof(C.recsys_image{}))))
	if made == nil {
		return nil, &Error{Status: NoMemory, Message: "no memory for the pictures"}
	}
	for i := range images {
		image := &images[i]
		crop := []uint32{uint32(image.CropX), uint32(image.CropY), uint32(image.CropWidth), uint32(image.CropHeight)}
		var path *C.char
		kind, data := C.RECSYS_IMAGE_PIXELS, image.Pixels
		if image.Path != "" {
			t, err := text(image.Path)
			if err != nil {
				C.bridge_free_images(made, C.size_t(i))
				return nil, err
			}
			kind, path = C.RECSYS_IMAGE_FILE, (*C.char)(C.CBytes(t))
		} else if image.Data != nil {
			kind, data = C.RECSYS_IMAGE_BYTES, image.Data
		}
		var copied unsafe.Pointer
		if len(data) > 0 {
			copied = C.CBytes(data)
		}
		C.bridge_set_image(made, C.size_t(i), C.uint32_t(kind), C.uint32_t(image.Format), path, copied, C.uint64_t(len(data)),
			C.uint32_t(image.Width), C.uint32_t(image.Height), C.uint64_t(image.Stride), u32(crop))
	}
	return made, nil
}

func (m *Model) run(ctx context.Context, classify C.int, width int, images []Image, progress Progress) ([]float32, []Status, error) {
	made, err := makeImages(images)
	if err != nil {
		return nil, nil, err
	}
	defer C.bridge_free_images(made, C.size_t(len(images)))
	p, err := m.enter()
	if err != nil {
		return nil, nil, err
	}
	defer m.leave()
	rows, statuses := make([]float32, len(images)*width), make([]Status, len(images))
	if len(images) == 0 {
		return rows, statuses, nil
	}
	if width == 0 {
		rows = make([]float32, 1)
	}
	w := &watch{ctx: ctx, progress: progress}
	var e C.recsys_error
	var status C.recsys_status
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_run((*C.recsys_model)(p), classify, made, C.size_t(len(images)), user, f32(rows), stat(statuses), &e)
	}); err != nil {
		return nil, nil, err
	}
	return rows, statuses, w.result(failure(status, &e))
}

// Embed gives n rows of Info().Dim floats, one after the other. Where some pictures cannot be used the error is Partial,
// their statuses say why, their rows are zeros, and all others are valid.
func (m *Model) Embed(ctx context.Context, images []Image, progress Progress) (rows []float32, statuses []Status, err error) {
	info, err := m.Info()
	if err != nil {
		return nil, nil, err
	}
	return m.run(ctx, 0, info.Dim, images, progress)
}

// Classify gives n rows of Info().Classes scores in 0..1. Else as Embed.
func (m *Model) Classify(ctx context.Context, images []Image, progress Progress) (scores []float32, statuses []Status, err error) {
	info, err := m.Info()
	if err != nil {
		return nil, nil, err
	}
	return m.run(ctx, 1, info.Classes, images, progress)
}

// Label is a class of a trained model.
type Label struct {
	Field, Value string
	Exclusive    bool // a picture has exactly one label of this field (all of its labels say so)
}

// What a picture's label is in a matrix.
const (
	LabelUnknown int8 = C.RECSYS_LABEL_UNKNOWN
	LabelAbsent  int8 = C.RECSYS_LABEL_ABSENT
	LabelPresent int8 = C.RECSYS_LABEL_PRESENT
)

// How to train: optimisers and schedules.
const (
	SGD              = C.RECSYS_OPTIMISER_SGD
	AdamW            = C.RECSYS_OPTIMISER_ADAMW
	ScheduleCosine   = C.RECSYS_SCHEDULE_COSINE
	ScheduleConstant = C.RECSYS_SCHEDULE_CONSTANT
	ScheduleSteps    = C.RECSYS_SCHEDULE_STEPS
)

// TrainOptions are recsys_train_options: zero is the default in every field, and a negative real number means 0.
type TrainOptions struct {
	Restart, RawFeatures, Half                    bool
	Optimiser, Schedule                           uint32
	Hidden                                        int64 // -1: no hidden layer
	Epochs, Batch, Patience, Folds                uint32
	FineTuneBlocks, FineTuneEpochs, FineTuneBatch uint32
	Dropout, LearningRate, Momentum, WeightDecay  float64
	Balance, Validation, FineTuneRate, Checkpoint float64
	Seed, Memory                                  uint64
	Parts                                         []int32
	Cache                                         string
	Progress                                      func(TrainProgress)
}

func (o *TrainOptions) flat() ([]int64, []float64) {
	flags := flag(o.Restart, C.RECSYS_TRAIN_RESTART) | flag(o.RawFeatures, C.RECSYS_TRAIN_RAW_FEATURES) | flag(o.Half, C.RECSYS_TRAIN_HALF)
	return []int64{int64(flags), int64(o.Optimiser), int64(o.Schedule), o.Hidden, int64(o.Epochs), int64(o.Batch),
			int64(o.Patience), int64(o.Folds), int64(o.Seed), int64(o.FineTuneBlocks), int64(o.FineTuneEpochs),
			int64(o.FineTuneBatch), int64(o.Memory)},
		[]float64{o.Dropout, o.LearningRate, o.Momentum, o.WeightDecay, o.Balance, o.Validation, o.FineTuneRate, o.Checkpoint}
}

func (m *Model) learn(ctx context.Context, teacher unsafe.Pointer, path string, images []Image, labels []Label, matrix []int8, o *TrainOptions) ([]Status, error) {
	if o == nil {
		o = &TrainOptions{}
	}
	if o.Parts != nil {
		if err := same(len(images), "TrainOptions.Parts", len(o.Parts)); err != nil {
			return nil, err
		}
	}
	names, exclusive := make([]string, 0, 2*len(labels)), make([]uint32, len(labels))
	for i, label := range labels {
		names = append(names, label.Field, label.Value)
		exclusive[i] = uint32(flag(label.Exclusive, 1))
	}
	texts, err := block(names)
	if err != nil {
		return nil, err
	}
	where, err := text(path)
	if err != nil {
		return nil, err
	}
	cache, err := text(o.Cache)
	if err != nil {
		return nil, err
	}
	made, err := makeImages(images)
	if err != nil {
		return nil, err
	}
	defer C.bridge_free_images(made, C.size_t(len(images)))
	p, err := m.enter()
	if err != nil {
		return nil, err
	}
	defer m.leave()
	numbers, reals := o.flat()
	statuses, w := make([]Status, len(images)), &watch{ctx: ctx, training: o.Progress}
	var e C.recsys_error
	var status C.recsys_status
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_train((*C.recsys_model)(p), (*C.recsys_model)(teacher), chars(where), made, C.size_t(len(images)),
			chars(texts), u32(exclusive), C.size_t(len(labels)), (*C.int8_t)(pointer(matrix)), i64(numbers), f64(reals),
			(*C.int32_t)(pointer(o.Parts)), chars(cache), user, stat(statuses), &e)
	}); err != nil {
		return nil, err
	}
	return statuses, w.result(failure(status, &e))
}

// Train learns labels from pictures and writes a complete model file; m is not changed. matrix: len(images) x
// len(labels), LabelPresent, LabelAbsent or LabelUnknown. Partial: some pictures were left out, and the file is written.
func (m *Model) Train(ctx context.Context, path string, images []Image, labels []Label, matrix []int8, o *TrainOptions) ([]Status, error) {
	if err := same(len(images)*len(labels), "Train: matrix", len(matrix)); err != nil {
		return nil, err
	}
	return m.learn(ctx, nil, path, images, labels, matrix, o)
}

// Distill teaches m what teacher sees, and writes the result to a file.
func (m *Model) Distill(ctx context.Context, teacher *Model, path string, images []Image, o *TrainOptions) ([]Status, error) {
	t, err := teacher.enter()
	if err != nil {
		return nil, err
	}
	defer teacher.leave()
	return m.learn(ctx, t, path, images, nil, nil, o)
}

// QuantizeOptions: the zero value is every default.
type QuantizeOptions struct {
	Calibrate, Compare uint64 // pictures that give the ranges, and others that the report is of, at most; 0: 300 and 1000
	Seed               uint64 // of the draw which pictures these are
	Progress           Progress
}

// QuantizeReport tells how near an int8 model comes to float32, on pictures that gave it no ranges.
type QuantizeReport struct {
	Layers, Calibrated, Compared, Neighbours           int
	Cosine, LeastCosine, EqualNeighbours, EqualClasses float64 // EqualClasses -1: there is no classifier
}

// Quantize makes an int8 model of m and writes it to a file; m is not changed. Partial: some pictures were left out, and
// the file is written.
func (m *Model) Quantize(ctx context.Context, path string, images []Image, o *QuantizeOptions) (QuantizeReport, []Status, error) {
	if o == nil {
		o = &QuantizeOptions{}
	}
	where, err := text(path)
	if err != nil {
		return QuantizeReport{}, nil, err
	}
	made, err := makeImages(images)
	if err != nil {
		return QuantizeReport{}, nil, err
	}
	defer C.bridge_free_images(made, C.size_t(len(images)))
	p, err := m.enter()
	if err != nil {
		return QuantizeReport{}, nil, err
	}
	defer m.leave()
	numbers, statuses, w := []uint64{o.Calibrate, o.Compare, o.Seed}, make([]Status, len(images)), &watch{ctx: ctx, progress: o.Progress}
	var e C.recsys_error
	var r C.recsys_quantize_report
	var status C.recsys_status
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_quantize((*C.recsys_model)(p), chars(where), made, C.size_t(len(images)), u64(numbers), user, &r,
			stat(statuses), &e)
	}); err != nil {
		return QuantizeReport{}, nil, err
	}
	return QuantizeReport{int(r.layers), int(r.calibrated), int(r.compared), int(r.neighbours), float64(r.cosine),
		float64(r.least_cosine), float64(r.equal_neighbours), float64(r.equal_classes)}, statuses, w.result(failure(status, &e))
}

// LabelMetrics tell how well one label is told, with scikit-learn's definitions.
type LabelMetrics struct {
	Known, Support                                               int
	Threshold, Accuracy, Precision, Recall, F1, AveragePrecision float64
}

// Metrics of all labels, and their means.
type Metrics struct {
	Labels       []LabelMetrics
	Micro, Macro LabelMetrics
}

func (m *Model) metrics(ctx context.Context, images []Image, matrix []int8, measured bool) (Metrics, error) {
	info, err := m.Info()
	if err != nil {
		return Metrics{}, err
	}
	if measured {
		if err := same(len(images)*info.Classes, "Evaluate: matrix", len(matrix)); err != nil {
			return Metrics{}, err
		}
	}
	made, err := makeImages(images)
	if err != nil {
		return Metrics{}, err
	}
	defer C.bridge_free_images(made, C.size_t(len(images)))
	p, err := m.enter()
	if err != nil {
		return Metrics{}, err
	}
	defer m.leave()
	values, statuses, w := make([]float64, 8*(info.Classes+2)), make([]Status, len(images)+1), &watch{ctx: ctx}
	given := made
	if !measured {
		given = nil
	}
	var e C.recsys_error
	var status C.recsys_status
	if err := w.run(func(user C.uintptr_t) {
		status = C.bridge_metrics((*C.recsys_model)(p), C.size_t(info.Classes), given, C.size_t(len(images)),
			(*C.int8_t)(pointer(matrix)), user, f64(values), stat(statuses), &e)
	}); err != nil {
		return Metrics{}, err
	}
	read := func(i int) LabelMetrics {
		v := values[8*i:]
		return LabelMetrics{int(v[0]), int(v[1]), v[2], v[3], v[4], v[5], v[6], v[7]}
	}
	all := Metrics{Micro: read(info.Classes), Macro: read(info.Classes + 1)}
	for i := 0; i < info.Classes; i++ {
		all.Labels = append(all.Labels, read(i))
	}
	return all, w.result(failure(status, &e))
}

// Metrics of a trained model, on the pictures that its training held out.
func (m *Model) Metrics() (Metrics, error) { return m.metrics(context.Background(), nil, nil, false) }

// Evaluate measures the same now; matrix: len(images) x Info().Classes.
func (m *Model) Evaluate(ctx context.Context, images []Image, matrix []int8) (Metrics, error) {
	return m.metrics(ctx, images, matrix, true)
}
