// OpenVINO's CPU plugin by its C interface (2022.3 or newer), opened by path at run time.
#pragma once

#include <span>

#include "engine/base/tensor.h"
#include "engine/run/plan.h"
#include "tools/peers/library.h"

namespace quadlane::peers {

class OpenVino {
 public:
  static Result<OpenVino> open(const std::string& library);  // a libopenvino_c.so
  const std::string& version() const { return version_; }

 private:
  friend class OpenVinoRequest;
  Library library_;
  std::string version_;
};

class OpenVinoRequest {
 public:
  // For so many requests at once of so many threads each; one alone is optimized for latency.
  static Result<OpenVinoRequest> load(const OpenVino&, const std::string& model, int threads, int streams = 1);
  // Of the same model in memory, for a request beside others.
  Result<OpenVinoRequest> another() const;

  // The tensors of every run, by name; they must outlive the request. They are copied in and out, outside of run() only
  // where that can be: inputs once, here; outputs with every run.
  Status bind(std::span<const run::TensorInfo> inputs, std::span<const Tensor> in,
              std::span<const run::TensorInfo> outputs, std::span<const MutView> out);
  Status run();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace quadlane::peers
