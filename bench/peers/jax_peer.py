"""JAX: a sum of shifted products, which XLA fuses, and lax.conv_general_dilated, both under jit."""
import jax
import jax.numpy as jnp
import numpy as np

import worker

NAME = "JAX"


def version():
    return jax.__version__


def forms(case):
    p = case.problem
    time = 2 if p.ncl else 1
    pads = [(0, 0), (0, 0), (0, 0)]
    pads[time] = (p.PL, p.PR)
    x = jax.device_put(case.x)
    w, b = case.w.reshape(p.K, p.C * p.M), case.b
    column = (lambda v: v[:, None]) if p.ncl else (lambda v: v)
    finish = jax.nn.silu if p.silu else (lambda y: y)

    def shifted(x):
        padded = jnp.pad(x, pads)
        y = None
        for k in range(p.K):
            taken = jax.lax.slice_in_dim(padded, k * p.D, k * p.D + (p.out - 1) * p.S + 1, p.S, time)
            if p.M > 1:
                taken = jnp.repeat(taken, p.M, axis=1 if p.ncl else 2)
            term = taken * column(w[k])
            y = term if y is None else y + term
        return finish(y + column(b) if p.bias else y)

    def convolution(x):
        layout = ("NCH", "HIO", "NCH") if p.ncl else ("NHC", "HIO", "NHC")
        y = jax.lax.conv_general_dilated(x, w[:, None, :], (p.S,), [(p.PL, p.PR)], rhs_dilation=(p.D,),
                                         dimension_numbers=layout, feature_group_count=p.C)
        return finish(y + column(b) if p.bias else y)

    def jitted(function, flops):
        def make():
            if p.flops > flops:
                raise worker.Refused(f"left out above {flops:g} flops, where it takes minutes")
            run = jax.jit(function)
            run(x).block_until_ready()
            return lambda: np.asarray(run(x).block_until_ready())
        return make

    return [("shifted products", jitted(shifted, 1e10)), ("lax.conv", jitted(convolution, 1e8))]


if __name__ == "__main__":
    import sys
    worker.serve(sys.modules[__name__])
