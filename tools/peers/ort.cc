#include "tools/peers/ort.h"

#include <filesystem>

namespace quadlane::peers {
namespace {

// ONNX Runtime's C interface is one table of functions that only ever grows at its end: these are places in it.
enum Slot : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kEnableProfiling = 14,
  kSetSessionLogSeverityLevel = 22,
  kSetSessionGraphOptimizationLevel = 23,
  kSetIntraOpNumThreads = 24,
  kSetInterOpNumThreads = 25,
  kCreateTensorWithDataAsOrtValue = 49,
  kCreateCpuMemoryInfo = 69,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseSessionOptions = 100,
};
constexpr uint32_t kApiVersion = 14;  // the oldest that has what is used here
constexpr int kErrorsOnly = 3, kAllOptimizations = 99;

struct ApiBase {
  const void* const* (*api)(uint32_t version);
  const char* (*version)();
};

const char* kHowToGet = "tools/setup --peers installs it from npm, or name a libonnxruntime.so.1";

// Calls a function that returns a status object, or null for success.
template <class... Args>
Status call(const void* const* api, Slot slot, Args... args) {
  auto* function = reinterpret_cast<void* (*)(Args...)>(const_cast<void*>(api[slot]));
  void* status = function(args...);
  if (!status) return {};
  auto* message = reinterpret_cast<const char* (*)(void*)>(const_cast<void*>(api[kGetErrorMessage]));
  auto* release = reinterpret_cast<void (*)(void*)>(const_cast<void*>(api[kReleaseStatus]));
  Status failed = unsupported("ONNX Runtime: ", std::string(message(status)));
  release(status);
  return failed;
}

std::shared_ptr<void> owned(const void* const* api, Slot release, void* object) {
  return {object, reinterpret_cast<void (*)(void*)>(const_cast<void*>(api[release]))};
}

// The npm package keeps its libraries by the version of node's interface.
std::vector<std::string> installed_paths() {
  std::vector<std::string> paths;
  std::error_code none;
  const std::filesystem::path root =
      std::filesystem::path(QUADLANE_REPOSITORY) / "build/peers/node_modules/onnxruntime-node/bin";
  for (const auto& entry : std::filesystem::directory_iterator(root, none))
    paths.push_back(entry.path() / "linux/x64/libonnxruntime.so.1");
  paths.push_back("libonnxruntime.so.1");
  return paths;
}

int element_type(DType type) {  // of TensorProto
  switch (type) {
    case DType::f32: return 1;
    case DType::u8: return 2;
    case DType::s8: return 3;
    case DType::u16: return 4;
    case DType::s16: return 5;
    case DType::s32: return 6;
    case DType::s64: return 7;
    case DType::boolean: return 9;
    case DType::f16: return 10;
    case DType::f64: return 11;
    case DType::u32: return 12;
    case DType::u64: return 13;
  }
  return 0;
}

}  // namespace

Result<Ort> Ort::open(const std::string& library) {
  Ort ort;
  const std::vector<std::string> paths = library.empty() ? installed_paths() : std::vector<std::string>{library};
  QL_TRY(ort.library_, Library::open("ONNX Runtime", paths, kHowToGet));
  auto* base = ort.library_.function<const ApiBase*()>("OrtGetApiBase");
  if (!base) return unsupported("'", ort.library_.path(), "' is no ONNX Runtime library: ", kHowToGet);
  ort.version_ = base()->version();
  ort.api_ = base()->api(kApiVersion);
  if (!ort.api_) return unsupported("ONNX Runtime ", ort.version_, " is too old, expected 1.", kApiVersion);
  void* env = nullptr;
  QL_CHECK_OK(call(ort.api_, kCreateEnv, kErrorsOnly, "quadlane", &env));
  ort.env_ = owned(ort.api_, kReleaseEnv, env);
  void* memory = nullptr;
  QL_CHECK_OK(call(ort.api_, kCreateCpuMemoryInfo, 0, 0, &memory));
  ort.cpu_memory_ = owned(ort.api_, kReleaseMemoryInfo, memory);
  return ort;
}

Result<OrtSession> OrtSession::load(const Ort& ort, const std::string& model, int threads, int streams,
                                    const std::string& profile) {
  void* raw = nullptr;
  QL_CHECK_OK(call(ort.api_, kCreateSessionOptions, &raw));
  std::shared_ptr<void> options = owned(ort.api_, kReleaseSessionOptions, raw);
  QL_CHECK_OK(call(ort.api_, kSetSessionLogSeverityLevel, raw, kErrorsOnly));
  QL_CHECK_OK(call(ort.api_, kSetSessionGraphOptimizationLevel, raw, kAllOptimizations));
  // Callers count as one of its threads each; with one for a request there is no pool that they could share.
  QL_CHECK_OK(call(ort.api_, kSetIntraOpNumThreads, raw, threads == 1 ? 1 : threads * streams));
  QL_CHECK_OK(call(ort.api_, kSetInterOpNumThreads, raw, 1));
  if (!profile.empty()) QL_CHECK_OK(call(ort.api_, kEnableProfiling, raw, profile.c_str()));
  OrtSession session;
  session.ort_ = &ort;
  void* made = nullptr;
  QL_CHECK_OK(call(ort.api_, kCreateSession, ort.env_.get(), model.c_str(), raw, &made).context(cat("'", model, "'")));
  session.session_ = owned(ort.api_, kReleaseSession, made);
  return session;
}

Result<OrtSession> OrtSession::another() const {
  OrtSession session;
  session.ort_ = ort_;
  session.session_ = session_;
  return session;
}

Result<std::shared_ptr<void>> OrtSession::wrap(const TensorType& type, void* data) {
  void* value = nullptr;
  QL_CHECK_OK(call(ort_->api_, kCreateTensorWithDataAsOrtValue, ort_->cpu_memory_.get(), data, type.bytes(),
                   type.shape.data(), type.shape.size(), element_type(type.dtype), &value));
  return owned(ort_->api_, kReleaseValue, value);
}

Status OrtSession::bind(std::span<const run::TensorInfo> inputs, std::span<const Tensor> in,
                        std::span<const run::TensorInfo> outputs, std::span<const MutView> out) {
  names_.clear();
  values_.clear();
  inputs_.clear();
  outputs_.clear();
  for (const run::TensorInfo& info : inputs) names_.push_back(info.name);
  for (const run::TensorInfo& info : outputs) names_.push_back(info.name);
  for (const Tensor& tensor : in) {
    QL_TRY(auto value, wrap(tensor.type(), const_cast<void*>(tensor.data())));
    inputs_.push_back(value.get());
    values_.push_back(std::move(value));
  }
  for (const MutView& view : out) {
    QL_TRY(auto value, wrap(*view.type, view.data));
    outputs_.push_back(value.get());
    values_.push_back(std::move(value));
  }
  input_names_.clear();
  output_names_.clear();
  for (size_t i = 0; i < names_.size(); ++i)
    (i < inputs.size() ? input_names_ : output_names_).push_back(names_[i].c_str());
  return {};
}

Status OrtSession::run() {
  const void* no_options = nullptr;
  return call(ort_->api_, kRun, session_.get(), no_options, input_names_.data(), inputs_.data(), inputs_.size(),
              output_names_.data(), output_names_.size(), outputs_.data());
}

}  // namespace quadlane::peers
