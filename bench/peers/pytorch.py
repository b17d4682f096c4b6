"""PyTorch: `conv1d` as users write it (on a channels-last tensor with the two transposes), the 2-D form that has the
faster code (channels_last memory format for nlc), a sum of shifted products, and conv1d under torch.compile."""
import torch
import torch.nn.functional as F

import worker

NAME = "PyTorch"


def version():
    return torch.__version__


def forms(case):
    p = case.problem
    torch.set_num_threads(case.threads)
    x = torch.from_numpy(case.x)
    w = torch.from_numpy(case.by_channel)
    b = torch.from_numpy(case.b) if p.bias else None
    finish = F.silu if p.silu else (lambda y: y)
    convolution = dict(stride=p.S, dilation=p.D, groups=p.C)

    def conv1d(x):
        x = x if p.ncl else x.transpose(1, 2)
        if p.PL != p.PR:
            x = F.pad(x, (p.PL, p.PR))
        y = finish(F.conv1d(x, w, b, padding=p.PL if p.PL == p.PR else 0, **convolution))
        return y if p.ncl else y.transpose(1, 2).contiguous()

    def conv2d():
        # Height 1; in channels_last the memory of (N, L, C) is the same as that of (N, C, 1, L).
        wide = w[:, :, None, :].contiguous()
        if not p.ncl:
            wide = wide.contiguous(memory_format=torch.channels_last)
        def run():
            image = x[:, :, None, :] if p.ncl else x.transpose(1, 2)[:, :, None, :]
            if p.PL != p.PR:
                image = F.pad(image, (p.PL, p.PR, 0, 0))
            y = F.conv2d(image, wide, b, stride=(1, p.S), dilation=(1, p.D), groups=p.C,
                         padding=(0, p.PL if p.PL == p.PR else 0))
            y = finish(y)[:, :, 0, :]
            return y if p.ncl else y.transpose(1, 2).contiguous()
        return run

    def compiled():
        if p.flops > 2e9:
            raise worker.Refused("left out above 2 GF, where it takes minutes")
        run = torch.compile(conv1d, dynamic=False)
        return lambda: run(x)

    def inferring(make):
        def made():
            run = make()
            def call():
                with torch.inference_mode():
                    return run()
            call()
            return call
        return made

    return [("conv1d", inferring(lambda: lambda: conv1d(x))), ("conv2d", inferring(conv2d)),
            ("torch.compile", inferring(compiled))]


if __name__ == "__main__":
    import sys
    worker.serve(sys.modules[__name__])
