"""Cells that are run while another one trains.

A tab that was closed during a training does not receive its later output: Jupyter sends outputs to the page that
started the cell. The training still runs, and the next cell has to wait for it. So that cell reports at once
"training is at epoch 17 of 40", in a line that follows the training; and if it displayed a live chart before, such
as `live`, it displays the chart in its present state, which continues to update. When its turn comes, it starts
with an empty output as usual.
"""

import re
import threading

# What fer_nb prints of an epoch, finished ("epoch  3/40: loss 1.2 …") or in progress ("epoch 3/40: 64/1923 images").
EPOCH = re.compile(r"\bepoch +(\d+)/(\d+): ")
# Charts that are remembered; a notebook has one or two.
CHARTS = 8


class Waiting:
    """What is known of the cell that runs, and of those that wait for it. Requests come in a thread of their own."""

    def __init__(self, send):
        self.send = send  # takes a request, the kind of a message and its content
        self.lock = threading.Lock()
        self.epoch = None  # the running cell's, and of how many
        self.value = ""  # what the running cell ends in
        self.charts = {}  # by their id: what they show
        self.shown_by = {}  # by what a cell ends in, such as `live`: the id of the chart that it showed last
        self.told = {}  # by their id: the requests that wait and were told something

    # --- of the cell that runs -------------------------------------------------------------------

    def runs(self, code, request):
        """A cell's turn has come. Whether its output has to be cleared."""
        with self.lock:
            self.value, self.epoch = last_line(code), None
            return self.told.pop(request, None) is not None

    def ended(self):
        with self.lock:
            self.epoch = None

    def heard(self, text):
        """A text was printed, which may say which epoch a training is at."""
        found = EPOCH.findall(text)
        if not found:
            return
        with self.lock:
            before, self.epoch = self.epoch, tuple(map(int, found[-1]))
            tell = list(self.told.values()) if self.epoch != before else []
        for request in tell:
            self.say(request, "update_display_data")

    def drew(self, display_id, data):
        """A chart was shown, or has changed."""
        with self.lock:
            self.charts.pop(display_id, None)
            self.charts[display_id] = data
            while len(self.charts) > CHARTS:
                del self.charts[next(iter(self.charts))]
            self.shown_by[self.value] = display_id

    # --- of those that wait ----------------------------------------------------------------------

    def takes(self, request, code):
        """A request to run a cell came in while another one runs."""
        with self.lock:
            if self.epoch is None:
                return
            self.told[request["header"]["msg_id"]] = request
            display_id = self.shown_by.get(last_line(code))
            data = self.charts.get(display_id)
        self.say(request, "display_data")
        if data:
            self.send(request, "display_data", shown(data, display_id))

    def say(self, request, kind):
        epoch = self.epoch
        if epoch:
            text = "training is at epoch {} of {}; this cell runs when it is done".format(*epoch)
            self.send(request, kind, shown({"text/plain": text}, f"waits-{request['header']['msg_id']}"))


def last_line(code):
    return code.strip().rpartition("\n")[2].strip()


def shown(data, display_id):
    return {"data": data, "metadata": {}, "transient": {"display_id": display_id}}
