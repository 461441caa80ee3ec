"""The page of `madapt report`: its numbers, and the HTML that shows them."""
