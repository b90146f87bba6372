// A model whose inputs come in more than one shape. Every set of input shapes is compiled when it is first met, and the
// most recently used ones are kept.
//
//   auto model = DynamicModel::load("detector.onnx");
//   auto stream = model->open_stream({.threads = 2});
//   auto outputs = stream->run(inputs);                  // any shapes that fit what the file declares
#pragma once

#include "engine/api/engine.h"
#include "loader/onnx_model.h"

namespace quadlane {

struct DynamicOptions {
  ModelOptions model;      // what load.shapes, symbols and batch bind is fixed
  size_t max_shapes = 8;   // compiled models that are kept
  size_t max_streams = 4;  // arenas that one DynamicStream keeps
};

class DynamicStream;

// Immutable but for its cache; may be used from several threads, and copies share the cache.
class DynamicModel {
 public:
  static Result<DynamicModel> load(const std::string& path, const DynamicOptions& = {});
  // A model of fixed shapes.
  static DynamicModel from_model(Model model, const DynamicOptions& = {});
  static Result<DynamicModel> from_file(OnnxModel file, const DynamicOptions& = {});

  const std::vector<InputSpec>& inputs() const;  // as declared, or as the options bind them
  // The model for inputs of these shapes, in the inputs' order. Threads that ask for the same new shapes wait for one
  // compilation, others do not. Models with equal packed weights share them.
  Result<Model> specialize(std::span<const Shape>) const;
  size_t cached() const;  // sets of shapes that are compiled, or being compiled

  const DynamicOptions& options() const;
  DynamicStream open_stream(const run::StreamOptions& = {}) const;

 private:
  struct State;
  explicit DynamicModel(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// One request at a time, as run::Stream.
class DynamicStream {
 public:
  // Inputs in any shape the model allows, outputs in the shapes that follow. Where the file fixes the outermost extents
  // and every input has k times as many, the k parts run one after the other and the outputs are joined along their
  // outermost extents.
  Result<std::vector<Tensor>> run(std::span<const View> inputs);
  // What ran last, for names; null before the first run.
  const Model* model() const { return open_.empty() ? nullptr : &open_.front().model; }

 private:
  friend class DynamicModel;
  struct Open {
    std::vector<Shape> shapes;
    Model model;
    run::Stream stream;
  };
  DynamicStream(DynamicModel model, run::StreamOptions options) : model_(std::move(model)), options_(options) {}
  Result<Open*> stream_for(std::span<const Shape>);
  Result<std::vector<Tensor>> run_once(std::span<const View> inputs, std::span<const Shape>);
  Result<std::vector<Tensor>> run_parts(std::span<const View> inputs, int64_t parts);

  DynamicModel model_;
  run::StreamOptions options_;
  std::vector<Open> open_;  // the most recent first
};

}  // namespace quadlane
