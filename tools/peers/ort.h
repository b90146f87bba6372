// ONNX Runtime, opened at run time from its npm package or any other libonnxruntime.so.1 (1.14 or newer).
#pragma once

#include <span>

#include "engine/base/tensor.h"
#include "engine/run/plan.h"
#include "tools/peers/library.h"

namespace quadlane::peers {

class Ort {
 public:
  // `library`: a path; empty: the package that `tools/setup --peers` installs.
  static Result<Ort> open(const std::string& library = {});
  const std::string& version() const { return version_; }
  const std::string& path() const { return library_.path(); }

 private:
  friend class OrtSession;
  Library library_;
  std::string version_;
  const void* const* api_ = nullptr;
  std::shared_ptr<void> env_, cpu_memory_;
};

class OrtSession {
 public:
  // Sequential execution, all graph optimizations, for so many requests at once of so many threads each. `Ort` must
  // outlive the session. With a `profile` the times of its nodes are written to profile_*.json when it ends.
  static Result<OrtSession> load(const Ort&, const std::string& model, int threads, int streams = 1,
                                 const std::string& profile = {});
  // Of the same model in memory, for a request beside others.
  Result<OrtSession> another() const;

  // The tensors of every run, by name; they must outlive the session.
  Status bind(std::span<const run::TensorInfo> inputs, std::span<const Tensor> in,
              std::span<const run::TensorInfo> outputs, std::span<const MutView> out);
  Status run();

 private:
  Result<std::shared_ptr<void>> wrap(const TensorType&, void* data);
  const Ort* ort_ = nullptr;
  std::shared_ptr<void> session_;
  std::vector<std::string> names_;
  std::vector<const char*> input_names_, output_names_;
  std::vector<std::shared_ptr<void>> values_;
  std::vector<void*> inputs_, outputs_;
};

}  // namespace quadlane::peers
