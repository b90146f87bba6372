// A record of what made a result. For int8 another run with the same model, inputs and engine gives the same bytes;
// fp32 also depends on the schedules (KNOWN_ANOMALIES.md).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/api/engine.h"
#include "tools/cli/streams.h"

namespace quadlane::tools {

// What a model is and how it ran: precision, instruction set, and the hashes of its file, its files of external data
// and its calibration. `calibration`: the statistics the model was quantized by in this process; empty: those that the
// file names, if any.
Result<nlohmann::ordered_json> model_provenance(const std::string& path, const Model&,
                                                const std::string& calibration = {});
// With engine, build, processor and threads. The caller adds "inputs" and "outputs".
Result<nlohmann::ordered_json> provenance(const std::string& model_path, const Model&, const StreamSettings&,
                                          const std::string& calibration = {});
nlohmann::ordered_json hashed_file(const std::string& name, const std::string& path, std::string_view bytes);
nlohmann::ordered_json hashed_tensor(const std::string& name, const Tensor&);

}  // namespace quadlane::tools
