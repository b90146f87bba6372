#include "tools/verbs/segment_exam.h"

#include <atomic>
#include <chrono>

#include "tools/cli/progress.h"
#include "tools/cli/tensors.h"
#include "tools/heart/prepare.h"

namespace quadlane::tools {
namespace {

// The class with the highest score of each pixel; the lowest index wins ties.
void classify(std::span<const float> scores, std::span<uint8_t> labels) {
  size_t pixels = labels.size();
  for (size_t i = 0; i < pixels; ++i) {
    uint8_t best = 0;
    for (uint8_t k = 1; k < kLabels; ++k)
      if (scores[k * pixels + i] > scores[best * pixels + i]) best = k;
    labels[i] = best;
  }
}

// What one stream needs besides its arena.
struct Worker {
  Tensor input;
  Outputs outputs;
  std::vector<uint8_t> labels;
};

Result<Worker> make_worker(const Model& model) {
  Worker worker;
  QL_TRY(worker.input, Tensor::allocate(model.inputs()[0].type));
  QL_TRY(worker.outputs, Outputs::allocate(model.outputs()));
  worker.labels.resize(static_cast<size_t>(worker.input.count()));
  return worker;
}

Status segment_slice(const Exam& exam, int image, int size, Worker& worker, run::Stream& stream,
                     std::vector<uint8_t>& labels) {
  std::span<float> pixels(worker.input.mutate<float>(), static_cast<size_t>(worker.input.count()));
  prepare(exam.pixels_of(image), exam.rows(), exam.columns(), size, pixels);
  View input = worker.input.view();
  QL_CHECK_OK(stream.run({&input, 1}, worker.outputs.views()));
  classify(worker.outputs[0].span<float>(), worker.labels);
  place_back(worker.labels, size, exam.rows(), exam.columns(), {labels.data() + exam.offset(image), exam.pixels()});
  return {};
}

}  // namespace

Status check_segmentation_model(const Model& model) {
  if (model.inputs().size() != 1 || model.outputs().size() != 1)
    return invalid_argument("the model has ", model.inputs().size(), " inputs and ", model.outputs().size(),
                            " outputs, segment needs one of each");
  const TensorType &in = model.inputs()[0].type, &out = model.outputs()[0].type;
  bool fits = in.dtype == DType::f32 && in.shape.size() == 4 && in.shape[0] == 1 && in.shape[1] == 1 &&
              in.shape[2] == in.shape[3] && out == TensorType{DType::f32, {1, kLabels, in.shape[2], in.shape[3]}};
  if (!fits)
    return invalid_argument("the model maps ", to_string(in), " to ", to_string(out),
                            ", segment needs f32[1,1,S,S] to f32[1,", kLabels, ",S,S]");
  return {};
}

Result<Segmentation> segment_exam(const Exam& exam, const Model& model, const StreamSettings& settings,
                                  const std::string& label) {
  int size = static_cast<int>(model.inputs()[0].type.shape[2]);
  QL_TRY(StreamGroup group, StreamGroup::open(model, settings));
  std::vector<Worker> workers;
  for (int i = 0; i < group.size(); ++i) {
    QL_TRY(Worker worker, make_worker(model));
    workers.push_back(std::move(worker));
  }
  Segmentation result;
  result.labels.resize(exam.pixels() * static_cast<size_t>(exam.images()));
  Progress progress(label, exam.images(), "slices");
  std::atomic<int> next = 0;
  auto start = std::chrono::steady_clock::now();
  QL_CHECK_OK(group.run([&](int i, run::Stream& stream) -> Status {
    for (int image = next++; image < exam.images(); image = next++) {
      QL_CHECK_OK(segment_slice(exam, image, size, workers[static_cast<size_t>(i)], stream, result.labels));
      progress.advance();
    }
    return {};
  }));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

Result<std::vector<Tensor>> prepared_slices(const Exam& exam, int size, int count) {
  std::vector<Tensor> samples;
  count = std::min(count, exam.images());
  for (int i = 0; i < count; ++i) {
    QL_TRY(Tensor sample, Tensor::allocate({DType::f32, {1, 1, size, size}}));
    int image = static_cast<int>((static_cast<int64_t>(2 * i + 1) * exam.images()) / (2 * count));
    prepare(exam.pixels_of(image), exam.rows(), exam.columns(), size,
            {sample.mutate<float>(), static_cast<size_t>(sample.count())});
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace quadlane::tools
