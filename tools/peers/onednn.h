// A convolution as a primitive of oneDNN 2.x (Debian's libdnnl), opened at run time. The build needs its header:
// without it every call is an error that says so.
#pragma once

#include <memory>
#include <string>

#include "engine/base/status.h"
#include "tools/peers/conv_layer.h"

namespace quadlane::peers {

class OneDnn {
 public:
  // `library`: a path; empty: the system's libdnnl.so.2.
  static Result<OneDnn> open(const std::string& library = {});
  const std::string& version() const;

  struct State;

 private:
  friend class OneDnnConv;
  std::shared_ptr<State> state_;
};

// The layouts are the library's own choice and weights are where it wants them: reorders are not counted.
class OneDnnConv {
 public:
  static Result<OneDnnConv> make(const OneDnn&, const ConvLayer&);
  Status run();
  // What it makes of dense tensors, weights as ONNX has them; dense as well. Biases are 0.
  Result<Tensor> compute(const ConvLayer&, const Tensor& input, const Tensor& weights);
  const std::string& implementation() const;  // "brgconv:avx512_core_vnni"

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace quadlane::peers
