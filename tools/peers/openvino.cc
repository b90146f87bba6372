#include "tools/peers/openvino.h"

#include <cstring>

namespace quadlane::peers {
namespace {

const char* kHowToGet =
    "give the path of its libopenvino_c.so with --openvino; OpenVINO's archive holds it in runtime/lib/intel64";

struct Version {  // ov_version_t
  const char *build, *description;
};

std::string reason(const Library& library, int code) {
  auto* text = library.function<const char*(int)>("ov_get_error_info");
  return text ? std::string(text(code)) : cat("code ", code);
}

// A function of the interface by name; all return 0 for success.
template <class... Args>
Status call(const Library& library, const char* name, Args... args) {
  auto* function = library.function<int(Args...)>(name);
  if (!function) return unsupported("'", library.path(), "' has no ", name, ": ", kHowToGet);
  const int code = function(args...);
  if (code == 0) return {};
  return unsupported("OpenVINO: ", name, " fails: ", reason(library, code));
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

Result<OpenVinoRequest> OpenVinoRequest::load(const OpenVino& openvino, const std::string& path, int threads,
                                              int streams) {
  OpenVinoRequest result;
  result.state_ = std::make_shared<State>();
  result.state_->library = openvino.library_;
  const Library& l = openvino.library_;
  void *core = nullptr, *model = nullptr, *compiled = nullptr;
  QL_CHECK_OK(call(l, "ov_core_create", &core));
  result.state_->core = owned(l, "ov_core_free", core);
  const char* no_weights = nullptr;
  QL_CHECK_OK(call(l, "ov_core_read_model", core, path.c_str(), no_weights, &model).context(cat("'", path, "'")));
  const std::shared_ptr<void> held = owned(l, "ov_model_free", model);
  const std::string all_threads = cat(threads * streams), count = cat(streams);
  auto* compile = l.function<int(void*, void*, const char*, size_t, void**, ...)>("ov_core_compile_model");
  if (!compile) return unsupported("'", l.path(), "' has no ov_core_compile_model: ", kHowToGet);
  constexpr size_t kStrings = 8;  // properties and their values in turn; left alone, it computes in bf16 where it can
  const int code = compile(core, model, "CPU", kStrings, &compiled, "INFERENCE_NUM_THREADS", all_threads.c_str(),
                           "NUM_STREAMS", count.c_str(), "PERFORMANCE_HINT", streams == 1 ? "LATENCY" : "THROUGHPUT",
                           "INFERENCE_PRECISION_HINT", "f32");
  if (code != 0) return unsupported("OpenVINO: compiling '", path, "' fails: ", reason(l, code));
  result.state_->compiled = owned(l, "ov_compiled_model_free", compiled);
  return result.another();
}

Result<OpenVinoRequest> OpenVinoRequest::another() const {
  OpenVinoRequest result;
  result.state_ = std::make_shared<State>();
  result.state_->library = state_->library;
  result.state_->core = state_->core;
  result.state_->compiled = state_->compiled;
  void* request = nullptr;
  QL_CHECK_OK(call(state_->library, "ov_compiled_model_create_infer_request", state_->compiled.get(), &request));
  result.state_->request = owned(state_->library, "ov_infer_request_free", request);
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
