#include "tools/peers/openvino.h"

#include <cstring>

namespace quadlane::peers {
namespace {

const char* kHowToGet = "give the path of a libopenvino_c.so with --openvino";

struct Version {  // ov_version_t
  const char *build, *description;
};

// A function of the interface by name; all return 0 for success.
template <class... Args>
Status call(const Library& library, const char* name, Args... args) {
  auto* function = library.function<int(Args...)>(name);
  if (!function) return unsupported("'", library.path(), "' has no ", name, ": ", kHowToGet);
  const int code = function(args...);
  if (code == 0) return {};
  auto* reason = library.function<const char*(int)>("ov_get_error_info");
  return unsupported("OpenVINO: ", name, " fails: ", reason ? std::string(reason(code)) : cat("code ", code));
}

std::shared_ptr<void> owned(const Library& library, const char* release, void* object) {
  auto* function = library.function<void(void*)>(release);
  return {object, [function](void* p) {
            if (function && p) function(p);
          }};
}

}  // namespace

Result<OpenVino> OpenVino::open(const std::string& path) {
  OpenVino openvino;
  QL_TRY(openvino.library_,
         Library::open("OpenVINO",
                       path.empty() ? std::vector<std::string>{"libopenvino_c.so"} : std::vector<std::string>{path},
                       kHowToGet));
  Version version{};
  QL_CHECK_OK(call(openvino.library_, "ov_get_openvino_version", &version));
  openvino.version_ = version.build ? version.build : "of unknown version";
  if (auto* release = openvino.library_.function<void(Version*)>("ov_version_free")) release(&version);
  return openvino;
}

struct OpenVinoRequest::State {
  Library library;
  std::shared_ptr<void> core, compiled, request;
  struct Copy {
    MutView to;
    const void* from;
  };
  std::vector<Copy> outputs;
  std::vector<std::shared_ptr<void>> tensors;

  // The memory behind a tensor of the request.
  Result<void*> data_of(const std::string& name, size_t bytes) {
    void *tensor = nullptr, *data = nullptr;
    QL_CHECK_OK(call(library, "ov_infer_request_get_tensor", request.get(), name.c_str(), &tensor));
    tensors.push_back(owned(library, "ov_tensor_free", tensor));
    size_t found = 0;
    QL_CHECK_OK(call(library, "ov_tensor_get_byte_size", tensor, &found));
    if (found != bytes) return unsupported("OpenVINO: tensor '", name, "' has ", found, " bytes, expected ", bytes);
    QL_CHECK_OK(call(library, "ov_tensor_data", tensor, &data));
    return data;
  }
};

Result<OpenVinoRequest> OpenVinoRequest::load(const OpenVino& openvino, const std::string& path, int threads) {
  auto state = std::make_shared<State>();
  state->library = openvino.library_;
  const Library& l = state->library;
  void *core = nullptr, *model = nullptr, *compiled = nullptr, *request = nullptr;
  QL_CHECK_OK(call(l, "ov_core_create", &core));
  state->core = owned(l, "ov_core_free", core);
  const char* no_weights = nullptr;
  QL_CHECK_OK(call(l, "ov_core_read_model", core, path.c_str(), no_weights, &model).context(cat("'", path, "'")));
  const std::shared_ptr<void> held = owned(l, "ov_model_free", model);
  const std::string count = cat(threads);
  // Pairs of property and value, then the end.
  auto* compile = l.function<int(void*, void*, const char*, size_t, void**, ...)>("ov_core_compile_model");
  if (!compile) return unsupported("'", l.path(), "' has no ov_core_compile_model: ", kHowToGet);
  if (compile(core, model, "CPU", 4, &compiled, "INFERENCE_NUM_THREADS", count.c_str(), "PERFORMANCE_HINT",
              "LATENCY") != 0)
    return unsupported("OpenVINO: compiling '", path, "' fails");
  state->compiled = owned(l, "ov_compiled_model_free", compiled);
  QL_CHECK_OK(call(l, "ov_compiled_model_create_infer_request", compiled, &request));
  state->request = owned(l, "ov_infer_request_free", request);
  OpenVinoRequest result;
  result.state_ = std::move(state);
  return result;
}

Status OpenVinoRequest::bind(std::span<const run::TensorInfo> inputs, std::span<const Tensor> in,
                             std::span<const run::TensorInfo> outputs, std::span<const MutView> out) {
  State& s = *state_;
  for (size_t i = 0; i < in.size(); ++i) {
    QL_TRY(void* data, s.data_of(inputs[i].name, in[i].type().bytes()));
    std::memcpy(data, in[i].data(), in[i].type().bytes());
  }
  for (size_t i = 0; i < out.size(); ++i) {
    QL_TRY(void* data, s.data_of(outputs[i].name, out[i].type->bytes()));
    s.outputs.push_back({out[i], data});
  }
  return {};
}

Status OpenVinoRequest::run() {
  State& s = *state_;
  QL_CHECK_OK(call(s.library, "ov_infer_request_infer", s.request.get()));
  for (const State::Copy& copy : s.outputs) std::memcpy(copy.to.data, copy.from, copy.to.type->bytes());
  return {};
}

}  // namespace quadlane::peers
