/* Runs a plan once on inputs of zeros and prints the first values of each output:
 *   cc example.c $(pkg-config --cflags --libs quadlane) && ./a.out net.qlp */
#include <quadlane.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const ql_error *error) {
  fprintf(stderr, "%s\n", error->message);
  return 1;
}

int main(int argc, char **argv) {
  ql_error error = QL_ERROR_INIT;
  ql_plan *plan = NULL;
  ql_stream *stream = NULL;
  if (argc != 2) return fprintf(stderr, "usage: %s PLAN.qlp\n", argv[0]), 2;
  if (ql_plan_open(argv[1], NULL, &plan, &error)) return fail(&error);
  printf("%s kernels, %s\n", ql_plan_isa(plan), ql_plan_way(plan));
  if (ql_stream_open(plan, NULL, &stream, &error)) return fail(&error);
  for (size_t i = 0; i < ql_plan_inputs(plan); ++i) {
    ql_tensor_info info = QL_TENSOR_INFO_INIT;
    if (ql_plan_input(plan, i, &info, &error)) return fail(&error);
    if (ql_stream_bind_input(stream, i, calloc(1, info.bytes), info.bytes, &error)) return fail(&error);
  }
  unsigned char *outputs[16] = {0};
  for (size_t i = 0; i < ql_plan_outputs(plan) && i < 16; ++i) {
    ql_tensor_info info = QL_TENSOR_INFO_INIT;
    if (ql_plan_output(plan, i, &info, &error)) return fail(&error);
    outputs[i] = calloc(1, info.bytes);
    if (ql_stream_bind_output(stream, i, outputs[i], info.bytes, &error)) return fail(&error);
  }
  if (ql_stream_run(stream, NULL, &error)) return fail(&error);
  for (size_t i = 0; i < ql_plan_outputs(plan) && i < 16; ++i) {
    ql_tensor_info info = QL_TENSOR_INFO_INIT;
    if (ql_plan_output(plan, i, &info, &error)) return fail(&error);
    printf("output %s of %zu bytes:", info.name, info.bytes);
    for (size_t b = 0; b < 8 && b < info.bytes; ++b) printf(" %02x", outputs[i][b]);
    printf("\n");
  }
  ql_stream_close(stream);
  ql_plan_close(plan);
  return 0;
}
