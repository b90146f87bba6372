#include "tools/cli/provenance.h"

#include <ctime>
#include <filesystem>

#include "engine/api/plan_model.h"
#include "engine/base/sha256.h"
#include "tools/io/file.h"
#include "tools/load/fingerprint.h"
#include "tools/measure/machine.h"

namespace quadlane::tools {
namespace {

std::string now() {
  const std::time_t time = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&time));
  return text;
}

// What the file says about where it comes from; empty: nothing.
Status add_origin(const std::string& path, nlohmann::ordered_json& record) {
  if (is_plan_file(path)) {
    QL_TRY(run::PlanFile file, run::PlanFile::open(path, {.map_code = false}));
    record["plan_sha256"] = file.sha256();
    record["model_sha256"] = file.info().model_sha256;
    record["calibration_sha256"] = file.info().calibration_sha256;
    return {};
  }
  QL_TRY(OnnxModel file, OnnxModel::read(path, {}));
  QL_TRY(std::string bytes, read_file(path));
  record["model_sha256"] = sha256_hex(bytes);
  record["calibration_sha256"] = file.metadata("calibration_sha256");
  for (const std::string& name : file.external_files()) {
    QL_TRY(std::string data, file.read_external_file(name, kMaxFileBytes).context(cat("'", path, "'")));
    record["external_data"].push_back(
        hashed_file(name, (std::filesystem::path(path).parent_path() / name).string(), data));
  }
  return {};
}

}  // namespace

Result<nlohmann::ordered_json> model_provenance(const std::string& path, const Model& model,
                                                const std::string& calibration) {
  nlohmann::ordered_json record = {{"model", path}};
  QL_CHECK_OK(add_origin(path, record));
  if (!calibration.empty()) record["calibration_sha256"] = sha256_hex(calibration);
  record["precision"] = model.is_int8() ? "int8" : "f32";
  record["isa"] = model.plan().isa;
  record["code"] = model.plan().code_method;
  return record;
}

Result<nlohmann::ordered_json> provenance(const std::string& model_path, const Model& model,
                                          const StreamSettings& streams, const std::string& calibration) {
  const measure::Host host = measure::describe_host();
  nlohmann::ordered_json record = {{"tool", cat("quadlane ", QUADLANE_VERSION)}, {"date", now()}};
  QL_TRY(const auto of_model, model_provenance(model_path, model, calibration));
  record.update(of_model);
  record["cpu"] = host.cpu;
  record["system"] = host.system;
  record["build"] = host.build;
  record["build_id"] = build_id();
  record["streams"] = streams.streams;
  record["threads"] = streams.threads;
  record["pinned"] = streams.pin;
  return record;
}

nlohmann::ordered_json hashed_file(const std::string& name, const std::string& path, std::string_view bytes) {
  return {{"name", name}, {"file", path}, {"sha256", sha256_hex(bytes)}};
}

nlohmann::ordered_json hashed_tensor(const std::string& name, const Tensor& tensor) {
  return {{"name", name},
          {"type", to_string(tensor.type())},
          {"sha256", sha256_hex({static_cast<const char*>(tensor.data()), tensor.type().bytes()})}};
}

}  // namespace quadlane::tools
