// In place of onednn.cc where the header is not installed.
#include "tools/peers/onednn.h"

namespace quadlane::peers {
namespace {
const std::string kNone;
Error missing() { return unsupported("this build has no oneDNN: install libdnnl-dev and configure again"); }
}  // namespace

Result<OneDnn> OneDnn::open(const std::string&) { return missing(); }
const std::string& OneDnn::version() const { return kNone; }
Result<OneDnnConv> OneDnnConv::make(const OneDnn&, const ConvLayer&) { return missing(); }
Status OneDnnConv::run() { return missing(); }
Result<Tensor> OneDnnConv::compute(const ConvLayer&, const Tensor&, const Tensor&) { return missing(); }
const std::string& OneDnnConv::implementation() const { return kNone; }

}  // namespace quadlane::peers
