// Stands in for libopenvino_c.so: the functions of OpenVINO's C interface that tools/peers/openvino.cc calls, as
// ov_core.h and its neighbours declare them. Its one network computes max(x, 0) of 1024 bytes. What it is asked for is
// appended to the file FAKE_OPENVINO_LOG, with the objects still alive at the end.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int kInvalid = -14;  // ov_status_e::INVALID_C_PARAM
constexpr size_t kFloats = 256;

int alive = 0;
void log(const std::string& line) {
  if (std::FILE* file = std::fopen(std::getenv("FAKE_OPENVINO_LOG"), "a")) {
    std::fprintf(file, "%s\n", line.c_str());
    std::fclose(file);
  }
}

struct Object {
  Object() { ++alive; }
  virtual ~Object() {
    if (--alive == 0) log("nothing is alive");
  }
};

}  // namespace

struct ov_core : Object {};
struct ov_model : Object {};
struct ov_compiled_model : Object {};
struct ov_tensor : Object {
  std::shared_ptr<std::vector<float>> values;
};
struct ov_infer_request : Object {
  std::map<std::string, std::shared_ptr<std::vector<float>>> tensors;
};
struct ov_version {
  const char *build_number, *description;
};

extern "C" {

int ov_get_openvino_version(ov_version* version) {
  *version = {"2026.0-fake", "OpenVINO Runtime"};
  return 0;
}
void ov_version_free(ov_version* version) { *version = {}; }
const char* ov_get_error_info(int status) { return status == kInvalid ? "invalid c input parameters" : "unknown"; }

int ov_core_create(ov_core** core) {
  *core = new ov_core;
  return 0;
}
void ov_core_free(ov_core* core) { delete core; }

int ov_core_read_model(const ov_core* core, const char* path, const char* weights, ov_model** model) {
  std::FILE* file = core ? std::fopen(path, "rb") : nullptr;
  if (!file || weights) return kInvalid;
  std::fclose(file);
  *model = new ov_model;
  return 0;
}
void ov_model_free(ov_model* model) { delete model; }

int ov_core_compile_model(const ov_core* core, const ov_model* model, const char* device, size_t property_args_size,
                          ov_compiled_model** compiled, ...) {
  if (!core || !model || property_args_size % 2 != 0) return kInvalid;
  std::string line = device;
  va_list properties;
  va_start(properties, compiled);
  for (size_t i = 0; i < property_args_size; ++i) line += std::string(i % 2 ? "=" : " ") + va_arg(properties, char*);
  va_end(properties);
  log(line);
  *compiled = new ov_compiled_model;
  return 0;
}
void ov_compiled_model_free(ov_compiled_model* compiled) { delete compiled; }

int ov_compiled_model_create_infer_request(const ov_compiled_model* compiled, ov_infer_request** request) {
  if (!compiled) return kInvalid;
  *request = new ov_infer_request;
  return 0;
}
void ov_infer_request_free(ov_infer_request* request) { delete request; }

int ov_infer_request_get_tensor(const ov_infer_request* request, const char* name, ov_tensor** tensor) {
  if (!request || (std::strcmp(name, "x") != 0 && std::strcmp(name, "y") != 0)) return kInvalid;
  auto& values = const_cast<ov_infer_request*>(request)->tensors[name];
  if (!values) values = std::make_shared<std::vector<float>>(kFloats);
  *tensor = new ov_tensor;
  (*tensor)->values = values;
  return 0;
}
void ov_tensor_free(ov_tensor* tensor) { delete tensor; }
int ov_tensor_get_byte_size(const ov_tensor* tensor, size_t* bytes) {
  *bytes = tensor->values->size() * sizeof(float);
  return 0;
}
int ov_tensor_data(const ov_tensor* tensor, void** data) {
  *data = tensor->values->data();
  return 0;
}

int ov_infer_request_infer(ov_infer_request* request) {
  if (!request->tensors["x"] || !request->tensors["y"]) return kInvalid;
  for (size_t i = 0; i < kFloats; ++i) {
    const float x = (*request->tensors["x"])[i];
    (*request->tensors["y"])[i] = x > 0 ? x : 0;
  }
  return 0;
}

}  // extern "C"
