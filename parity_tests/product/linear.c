/* A Linear layer in C: reads the case "no-bias" of Linear-float32.safetensors, computes its output and gradients, and
   writes them as a file of its own. Usage: linear IN OUT, on a little-endian machine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { const char *name; long rows, columns; float *numbers; } Matrix;

/* A matrix of the case. `header` is JSON, {"name":{"dtype":"F32","shape":[5,4],"data_offsets":[0,80]},...}. */
static Matrix get(const char *header, float *data, const char *name) {
    char key[64];
    long rows, columns, start;
    snprintf(key, sizeof key, "\"no-bias/%s\":{", name);
    const char *at = strstr(header, key), *form = "\"dtype\":\"F32\",\"shape\":[%ld,%ld],\"data_offsets\":[%ld";
    if (!at || sscanf(at + strlen(key), form, &rows, &columns, &start) != 3) exit(2);
    return (Matrix){name, rows, columns, data + start / 4};
}

static Matrix zeros(const char *name, long rows, long columns) {
    return (Matrix){name, rows, columns, calloc(rows * columns, sizeof(float))};
}

int main(int argc, char **argv) {
    static char header[1 << 16], text[4096];
    static float data[1 << 14];
    uint64_t length;
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!in || fread(&length, 8, 1, in) != 1 || length >= sizeof header) return 2;
    if (fread(header, 1, length, in) != length || fread(data, 1, sizeof data, in) == 0) return 2;

    Matrix x = get(header, data, "input"), w = get(header, data, "weight"), d = get(header, data, "grad_output");
    long N = x.rows, I = x.columns, O = w.rows;
    Matrix y = zeros("output", N, O), dx = zeros("grad_input", N, I), dw = zeros("grad_weight", O, I);
    for (long n = 0; n < N; n++)
        for (long o = 0; o < O; o++)
            for (long i = 0; i < I; i++) {
                y.numbers[n * O + o] += x.numbers[n * I + i] * w.numbers[o * I + i];
                dx.numbers[n * I + i] += d.numbers[n * O + o] * w.numbers[o * I + i];
                dw.numbers[o * I + i] += d.numbers[n * O + o] * x.numbers[n * I + i];
            }

    Matrix all[] = {x, w, d, y, dx, dw};
    const char *start = "{\"__metadata__\":{\"op\":\"Linear\",\"options\":"
                        "\"{\\\"in_features\\\":%ld,\\\"out_features\\\":%ld,\\\"bias\\\":false}\"}";
    long end = sprintf(text, start, I, O), at = 0;
    for (int k = 0; k < 6; k++, at += all[k - 1].rows * all[k - 1].columns * 4)
        end += sprintf(text + end, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%ld,%ld],\"data_offsets\":[%ld,%ld]}",
                       all[k].name, all[k].rows, all[k].columns, at, at + all[k].rows * all[k].columns * 4);
    length = end + sprintf(text + end, "}");
    FILE *out = fopen(argv[2], "wb");
    if (!out) return 2;
    fwrite(&length, 8, 1, out);
    fwrite(text, 1, length, out);
    for (int k = 0; k < 6; k++) fwrite(all[k].numbers, 4, all[k].rows * all[k].columns, out);
    return fclose(out) ? 2 : 0;
}
